# ---
# jupyter:
#   accelerator: GPU
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] translates="a16648daf06a"
# # 5. 比較
#
# **勾配中心化（GC）を使う訓練と使わない訓練を、信頼できる形で比べる方法を学びましょう。そして、実験から分かったことを読み、比較から誤った結論が出てしまう例を 2 つ見ます。**
#
# `standard` プロファイルでは、CPU 2 コアで約 1 分かかります。GPU は要りません。
#
# [Colab で開く](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/05_comparison.ipynb) · [Binder で開く](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/ja/05_comparison.ipynb) · [Kaggle で開く](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/05_comparison.ipynb) · [Codespaces で開く](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [nbviewer で読む](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/05_comparison.ipynb) · [English](../05_comparison.ipynb)
#
# このノートブックで行うこと
#
# - 対応のある小さな比較を、自分のマシンで実行します。
# - 実験から何が分かったのかを読みます。
# - 調整していない 1 つの設定だけで比べると、どう誤るかを見ます。また、Keras の例にあるような改善が、GC をまったく使わずにどう生じるかを見ます。

# %% tags=["hide-input"]
# @title Setup
from importlib.util import find_spec

package = "gc-tutorial[tutorial] @ git+https://github.com/your_name_here/gradient-centralization-tutorial"
if not find_spec("gc_tutorial"):  # as in Colab
    get_ipython().run_line_magic("pip", f"install -qqq --no-input '{package}'")
if not find_spec("gc_tutorial"):
    raise SystemExit(f"{package} was not installed: it needs a network, git and Python 3.10 or newer.")
import gc_tutorial

settings = gc_tutorial.start(language="ja")

# %%
from gc_tutorial import load_data

image_size = min(settings.image_size, 94)  # as in study A; with larger images the live comparison only takes longer
data = load_data(settings.data, image_size)

# %% [markdown] translates="ea69ca13c473"
# ## 公平な比較とは
#
# 比べる方法の 1 つ 1 つを**群**（arm）と呼び、GC を使わない群を**基準**（baseline）とします。**勾配への GC**（GC on the gradient）は、[ノートブック 4](04_gradient_centralization.ipynb) で書いたものです。**更新量への GC**（GC on the update）は、勾配そのものではなく、オプティマイザが勾配から計算した更新量を中心化します。RMSprop や Adam のように勾配の成分ごとにスケールを変えるオプティマイザでは、論文の著者がこちらを勧めています。
#
# - **対応があること。** 同じシードなら、どの群も同じ重みから始まり、同じバッチを受け取ります。重みもバッチも、ビット単位で一致します。そのため、シードごとに、各群の値から基準の値を引けます。
# - **毎回新しく始めること。** 訓練のたびに、モデルもオプティマイザも新しく作ります。
# - **評価用画像で測ること。** 損失と正解率は、どの訓練にも使わない画像で測ります。このノートブックで実行する比較では、背景が白い画像がそれに当たります。あとで見る、計画した実験では、訓練用画像に写っている馬と人の一部も、評価用に取り分けます。評価用画像での損失と正解率を、**テスト損失**、**テスト正解率**と呼びます。
# - **繰り返すこと。** いくつものシードで訓練し、差の区間を求めます。
# - **調整すること。** どの群にも、その群にいちばん合う学習率を使います。学習率を選ぶのに使ったシードは、あとの比較には使いません。画像は同じものを使い、どれを評価用に取り分けるかを順に替えます。
#
# `compare` は、調整以外のすべてを行います。ここでは、RMSprop で 2 つの群を訓練します。出力される表の列は、群（arm）、シード（seed）、エポック（epoch）、訓練損失、テスト損失、テスト正解率です。群の gradient は、勾配への GC のことです。

# %%
from gc_tutorial import compare

live = compare(
    data,
    learning_rate=settings.learning_rate,
    arms=("none", "gradient"),
    seeds=settings.seeds,
    image_size=image_size,
    batch_size=settings.batch_size,
    epochs=settings.epochs,
    progress=False,
)
live[["arm", "seed", "epoch", "train_loss", "test_loss", "test_accuracy"]].tail(2).round(3)

# %% tags=["hide-input"]
from gc_tutorial import text
from gc_tutorial.plotting import learning_curves, show

title = text("On this machine: {seeds} seeds, {epochs} epochs", seeds=settings.seeds, epochs=settings.epochs)
show(
    learning_curves(live, ("train_loss", "test_accuracy"), title=title),
    alt="Training loss and held-out accuracy by epoch without GC and with it, from the small live comparison.",
)

# %% [markdown] translates="a0cdce4d3bb0"
# この比較だけで何らかの結論を出すには、シードもエポックもまったく足りません。
#
# ## 群ごとにいちばんよい学習率を使う実験
#
# この実験は 2 つの部分からなります。**A** では学習率を選びます。94 ピクセルの画像を使い、どの群も 7 通りの学習率と 5 個のシードで訓練します。**B** では、150 ピクセルの画像を使い、RMSprop と Adam について答えを出します。まず、A でいちばんよかった学習率とその両隣の 3 つを候補にして、別のシードで調整し直します。次に、60 個の新しいシードで、GC なしと勾配への GC を訓練します。どちらの群も、その群でいちばんよい学習率と、もう一方の群でいちばんよい学習率の両方で訓練します。
#
# [計画](../../gc_tutorial/study/plans)と判定の規則は、判定の対象となる訓練より前にコミットしてあります。例外は、[結果の一覧](../../gc_tutorial/study/results/README.md)に挙げてあります（どちらも英語）。規則を適用するのは、必要な訓練がすべて終わってからです。
#
# 評価用画像に写っているのは、訓練に使ったものとは別の馬と人ですが、背景は同じです。CG で描かれた馬と人は 67 体あります。ここでは、その 1 体 1 体を**個体**（individual、計画では figure）と呼びます。シードが変わると、重みの初期値、画像の順序、データ拡張、ドロップアウト、評価用に取り分ける個体が変わります。テスト正解率のばらつきは、これらのすべてから生じます。シードではなく個体を単位にして求めた区間は、新しい個体で何が期待できるかを表します。
#
# ほかに、D（RMSprop）と D2（SGD）という 2 つの実験があります。どちらも 94 ピクセルの画像を使い、A で GC **なし**のときにいちばんよかった学習率で、GC ありと GC なしを訓練します（[ノートブック 8](08_why_it_works.ipynb)）。次の図の 3 番目のパネルの最後の 12 行は実験 C です。ほかのデータセットとネットワークを使い、シードはそれぞれ 10 個です（[ノートブック 9](09_should_you_use_it.ipynb)）。
#
# 次の出力は、A と B がそれぞれどこまで進んだかを示します。

# %%
from gc_tutorial.study.published import published

tuning, confirmation = published("A_tuning"), published("B_confirmation")
answers = {**tuning.findings(), **confirmation.findings()}
print(tuning.progress, confirmation.progress, sep="\n")

# %% tags=["hide-input"]
import pandas as pd
from gc_tutorial.study.evidence.figures import answer, answer_alt

tables = [one["heldout"].table for one in (answers, published("C_generality").findings())]
heldout = pd.concat(tables, ignore_index=True)
show(answer(tuning.runs, heldout), alt=answer_alt(tuning.runs, heldout))

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.figures import tuning_runs
from gc_tutorial.study.evidence.names import value_name
from gc_tutorial.study.evidence.tuning import tuned_rates
from gc_tutorial.study.evidence.wording import rate, rates
from IPython.display import Markdown

shown = tuning_runs(tuning.runs, "rmsprop")
star = tuned_rates(shown, "heldout_loss").set_index("arm").loc["gradient"]
row = answers["heldout"].table.set_index("optimizer").loc["rmsprop"]
sizes = shown["image_size"].iloc[0], confirmation.runs["image_size"].iloc[0]
said = (
    "The second panel and the third do not show the same training runs. With {name} the second shows study A: {few} seeds, {small:.0f} pixels, "
    "and GC's star at {star}. The first two rows of the third have study B: {many:.0f} seeds, {large:.0f} pixels, {rates}. The table of means below has B at a "
    "higher rate, too."
)
values = {"few": shown["seed"].nunique(), "many": row["seeds"], "small": sizes[0], "large": sizes[1]}
pair = rates(row["learning_rate"], row["learning_rate_baseline"])
Markdown(text(said, name=value_name("optimizer", "rmsprop"), star=rate(star["learning_rate"]), rates=pair, **values))

# %% [markdown] translates="47b5e85ff4d6"
# 点の 1 つ 1 つが 1 回の訓練、線はシードについての平均です。星印は、その群でいちばんよい学習率を表します。1 番目のグラフでは訓練損失が、2 番目のグラフではテスト損失が、いちばん低くなる学習率です。どの群でも、試した学習率は同じです。点が重ならないように、横に少しずらしてあります。学習率が高いところでは、損失が極端に大きくなった訓練が 1 回あるだけで、平均がほぼ決まってしまうことがあります。「訓練損失（ドロップアウトなし）」（clean training loss）は、ドロップアウトもデータ拡張もなしで測ったものです。「訓練中に測った訓練損失」（running training loss）は、訓練のステップそのものでの損失です。速さの比較では、GC **なし**の群をいちばんよい学習率で訓練したときに、エポックの 3 分の 2 が過ぎた時点での、訓練中に測った訓練損失を、調整用のシードについて平均し、それを目標とします。つまり、目標は、基準の群そのものの平均です。計画した実験の損失と正解率は、規則に別の定めがなければ、最後の 3 エポックの平均です。
#
# 規則では 4 つの言葉を使います。どの言葉になるかは、差の信頼区間（confidence interval）、つまり、もっと多くのシードで訓練したときの平均がありそうな範囲から決まります。
#
# - 95% 信頼区間がゼロを含まず、多重検定の補正をしてもその結果が保たれるなら、差がどれほど小さくても、GC は**役に立つ**（helps）、または**害になる**（hurts）と判定します。差や効果や変化が**示された**（shown）と言うのも、この 2 つの条件が満たされた場合に限ります。
# - 90% 信頼区間が許容幅（margin）の中に収まれば、**実用上の違いはない**（no practical difference）とします。A と B の許容幅は、正解率では 2 ポイント、訓練損失では 0.02 ナット、テスト損失では 0.05 ナットです。
# - それ以外は、すべて**結論が出ない**（inconclusive）とします。違いがないという意味ではありません。
#
# どの規則も対象としていないことには、「規則の対象外」と記します。

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.synthesis import at_one_rate

questions = {
    "speed": text("Does GC train faster?"),
    "training": text("Does GC fit the training images better?"),
    "learning_rate": text("Is GC no more than a larger step?"),
    "heldout": text("Does GC help on horses and humans never seen?"),
    "shifted": text("And on the images on white?"),
    "exchange": text("Does the answer depend on the choice of the rate?"),
}
lines = [answers[name].bullets(asked) for name, asked in questions.items()]
one_rate = at_one_rate(published("D_mechanism").findings())
one_rate += at_one_rate(published("D2_mechanism_sgd").findings(), "sgd")
lines += [f"- **{text('At one rate, with and without GC:')}** {said}" for said in one_rate]
Markdown("\n".join(lines))

# %% [markdown] translates="7e7bfe613d31"
# つまり、規則によれば、GC を使うと、訓練は速くなり、訓練用画像への適合もよくなりますが、評価用に取り分けたこの馬と人での正解率は低くなります。ほかの馬や人については、何も示されていません。
#
# ただし、これらの結果は、別々の学習率で得られたものです。学習率はどれも 5 個の調整用のシードで選びますが、訓練の速さと適合についての規則では**訓練**損失が、正解率についての規則では**テスト**損失が、いちばん低くなるものを使います。B では、そのすべての学習率で両方の群を訓練しました。次の表は、それぞれの学習率でのテスト正解率の平均です（規則の対象外）。

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.names import arm_name

fresh = confirmation.runs.query("stage == 'confirmation'")
means = fresh.pivot_table(index=["optimizer", "learning_rate"], columns="arm", values="heldout_accuracy")
means = means[["none", "gradient"]].map("{:.1%}".format).rename(columns=arm_name)
means = means.rename(index=lambda one: value_name("optimizer", one), level=0).rename(index=rate, level=1)
named = text("held-out accuracy, mean of {seeds} seeds", seeds=fresh["seed"].nunique())
means.rename_axis(index=[text("optimizer"), text("learning rate")], columns=named)

# %% [markdown] translates="60911202a571"
# 次に、両方の群を同じ学習率にして、シードごとに比べます。

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.intervals import estimate
from gc_tutorial.study.evidence.same_rates import change_with_rate, same_rates
from gc_tutorial.study.evidence.wording import amount

goals = answers["speed"].table.set_index("optimizer")["goal"]
lines = []
for row in same_rates(confirmation.table, confirmation.runs, goals).to_dict("records"):
    loss, accuracy = (
        amount(*(row[f"{name}_{end}"] for end in ("difference", "t_low", "t_high")), name)
        for name in ("clean_loss", "heldout_accuracy")
    )
    values = {"optimizer": value_name("optimizer", row["optimizer"]), "rate": rate(row["learning_rate"])}
    said = (
        "- {optimizer}, both at {rate}: without GC {ratio:.2f} times as many epochs ({ratio_low:.2f} to {ratio_high:.2f}); with GC "
        "the clean training loss is {loss}, and the held-out accuracy is {accuracy}."
    )
    ratios = {name: row[name] for name in ("ratio", "ratio_low", "ratio_high")}
    lines.append(text(said, loss=loss, accuracy=accuracy, **values, **ratios))
for row in change_with_rate(confirmation.runs).to_dict("records"):
    said = (
        "- {optimizer}: the effect on the held-out accuracy is {size:.1f} points higher at {high} than at {low} (95% interval "
        "{t_low:.1f} to {t_high:.1f})."
    )
    values = {
        "optimizer": value_name("optimizer", row["optimizer"]),
        "low": rate(row["low_rate"]),
        "high": rate(row["high_rate"]),
    }
    ends = {name: 100 * row[name] for name in ("t_low", "t_high")}
    lines.append(text(said, size=100 * row["difference"], **values, **ends))
Markdown("\n".join(lines))

# %% [markdown] translates="0ec1fd4abcd9"
# 以上のうち、規則による判定の結果でもあるのは、3.2e-4 で正解率が低くなること、1e-3 での RMSprop の速さ、1e-3 での損失だけです。ほかの値は規則の対象外ですが、答えが学習率によってどれほど変わるかを示しています。
#
# 「いちばんよい学習率の中に、候補の端にあるものがあります」という注記や、図や表の短剣符（†）は、候補の外にもっとよい学習率があるかもしれないという意味です。B でこれに当たるのは、3 つの候補のうちでいちばん低い 3.2e-4 です。計画 B2 では、調整の候補に 1e-4 を加えましたが、いちばんよい学習率は変わりませんでした（[結果](../../gc_tutorial/study/results/B2_lower_rate/findings.md)、英語）。新しいシードでは、1e-3 より高い学習率は試していません。もっと大きいステップは、実験 D で試しました。
#
# 次の表は、実験 A でいちばんよかった学習率を、訓練損失で選んだ場合とテスト損失で選んだ場合について示します。両者は違うことがあります。訓練用画像にいちばんよく適合する学習率が、新しい画像でもいちばんよいとは限らないからです。また、5 個のシードでは、どの学習率が選ばれるかも確実ではありません（[同じ学習率がまた選ばれる割合](../../gc_tutorial/study/results/A_tuning/findings.md)、英語）。

# %% tags=["hide-input"]
twelve_epochs = tuning.runs[tuning.runs["epochs"] == 12]
best = {
    text("by training loss"): tuned_rates(twelve_epochs, "clean_loss"),
    text("by held-out loss"): tuned_rates(twelve_epochs, "heldout_loss"),
}
best = {name: table.set_index(["optimizer", "arm"])["learning_rate"].map(rate) for name, table in best.items()}
best = (
    pd.DataFrame(best).rename(index=lambda one: value_name("optimizer", one), level=0).rename(index=arm_name, level=1)
)
best.rename_axis([text("optimizer"), text("arm")])

# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title The numbers behind the answers
from gc_tutorial.study.evidence.result_rows import result_rows

outcomes = {
    "training": text("training loss"),
    "heldout": text("held-out accuracy"),
    "shifted": text("accuracy on the images on white"),
}
columns = [text("outcome"), text("setting"), text("GC minus no GC (95% interval)"), text("seeds"), text("word")]
result_rows(answers, outcomes).set_axis(columns, axis=1).set_index(columns[:2])

# %% [markdown] translates="e9b17bbc8eb4"
# ## 設定を 1 つしか調べないと、どう誤るか
#
# このチュートリアルで最初に行ったのは、学習率を調整しない実験です。そこでは、**調整していない 1 つの学習率を、すべての群に**使いました。訓練損失としては、最終エポックの訓練中に（ドロップアウトとデータ拡張のある状態で）測った値を使いました。実験は、RMSprop、モーメンタム付きの SGD、公開例の設定の 3 つです。**公開例**（the Keras example）とは、ノートブック 4 と同じく、最終更新日が 2023-07-25 の版の、Keras の GC の例のことです。公開例の設定とは、その訓練の設定のことです。判定には同じ 4 つの言葉を使いますが、多重検定の補正はしていません。
#
# 次の図では、横に延びる線が信頼区間、縦の破線が GC なしです。

# %%
from gc_tutorial.study.analysis import load_study, paired_differences

studies = {name: load_study(name) for name in ("rmsprop", "sgd", "published_recipe")}
differences = {name: paired_differences(study) for name, study in studies.items()}
losses = {
    name: table.query("arm == 'gradient' and outcome == 'train_loss'").iloc[0] for name, table in differences.items()
}

# %% tags=["hide-input"]
from gc_tutorial.study.analysis import verdict
from gc_tutorial.study.settings_figure import settings_figure

called = {"rmsprop": "RMSprop", "sgd": "SGD", "published_recipe": text("Keras example's recipe")}
rows = {}
for name, study in studies.items():
    size = {"rate": rate(study["learning_rate"].iloc[0]), "seeds": study["seed"].nunique()}
    rows[text("{name},\nrate {rate}, {seeds} seeds", name=called[name], **size)] = differences[name]
lower = sum(loss["t_high"] < 0 for loss in losses.values())
accuracies = pd.concat(differences.values()).query("arm == 'gradient' and outcome == 'test_accuracy'")
shown = int((accuracies["t_low"] * accuracies["t_high"] > 0).sum())
said = (
    "One rate each: lower training loss with GC in {lower} of {count} settings; for the accuracy no difference is shown"
)
if shown:
    said = (
        "One rate each: lower training loss with GC in {lower} of {count} settings; a difference in accuracy in {shown}"
    )
title = text(said, lower=lower, count=len(losses), shown=shown)
alt = "Differences from no GC with 95% intervals, for both GC arms in three settings. Training loss, GC on the gradient: {found}"
found = text("; ").join(
    text("{name} {verdict}", name=called[name], verdict=verdict(loss)) for name, loss in losses.items()
)
show(settings_figure(rows, title=title), alt=text(alt, found=found))

# %%
lines = []
for name, study in studies.items():
    size = study.iloc[0]
    values = {"name": called[name], "verdict": verdict(losses[name]), **size[["image_size", "batch_size", "epochs"]]}
    said = "- {name} ({image_size} pixels, batches of {batch_size}, {epochs} epochs): {verdict}."
    lines.append(text(said, **values))
Markdown(text("Training loss, GC on the gradient against no GC:") + "\n\n" + "\n".join(lines))

# %%
excluded = losses["published_recipe"]["t_low"] > losses["rmsprop"]["difference"]
Markdown(
    text(
        "With the recipe of the Keras example an effect on the training loss as large as in the first row is **excluded**."
        if excluded
        else "With the recipe of the Keras example an effect on the training loss as large as in the first row is **not excluded**."
    )
)

# %% [markdown] translates="846a8301085e"
# 設定を 1 つしか調べなかったとしたら、これらの行のどれか 1 つを答えとして報告していたことでしょう。設定どうしはいくつもの点で違うので、そのうちのどれが効いているのかは、この比較からは分かりません。[計画 E](../../gc_tutorial/study/plans/E_recipe.toml)（英語）では、公開例の設定でもっと長く訓練します（結果はあとで見ます）。
#
# 一方、A の調整のための訓練どうしは、学習率だけが違います。ですから、学習率が 1 つだけの実験なら何を報告していたかが、ここから分かります。次の出力は、基準でいちばんよい学習率と、その両隣の学習率での結果です。

# %%
runs = tuning_runs(tuning.runs, "rmsprop")
loss = runs.pivot_table(index="seed", columns=["arm", "learning_rate"], values="clean_loss")
by_rate = (loss["gradient"] - loss["none"]).dropna()
best = by_rate.columns.get_loc(loss["none"].mean().idxmin())
lines = []
for one in by_rate.columns[max(0, best - 1) : best + 2]:
    found = estimate(by_rate[one])
    difference = amount(found["difference"], found["t_low"], found["t_high"])
    lines.append(text("- at the rate {rate}: {difference}", rate=rate(one), difference=difference))
title = text("Clean training loss with GC, RMSprop, {seeds} tuning seeds:", seeds=len(by_rate))
Markdown(title + "\n\n" + "\n".join(lines))

# %% [markdown] translates="a05499fe7eed"
# これは調整のための訓練の様子を示すだけで、結論を出すためのものではありません。学習率を選ぶのに使ったのが、これらの訓練だからです。
#
# ## 公開例のような改善は、GC なしでどう生じるか
#
# 最終更新日が 2023-07-25 の版の[公開例](https://keras.io/examples/vision/gradient_centralization/)が、最後のまとめで報告している訓練損失は、GC なしで 0.5346、GC ありで 0.4014、訓練正解率は同じ順に 76.04% と 81.54% です。訓練中に表示された途中経過の損失は、0.6197 と 0.4589 で終わっています。まとめと途中経過の両方を、あとの図に描きます。評価用画像では、何も測っていません。途中経過は、まとめより高い値で終わっています。途中経過の形式は Keras 3 のもので、そのプログレスバーは、かつて、各バッチまでの平均をさらに平均した値を表示していました（2024 年の [issue 20212](https://github.com/keras-team/keras/issues/20212)、2026 年の [pull request 23030](https://github.com/keras-team/keras/pull/23030)）。途中経過のほうが高いことは、これで説明がつくでしょう。途中経過を表示したのが Keras 3 のどのバージョンかは、分かっていません。Keras 3 では、公開例の GC はまったく実行されません。
#
# 公開例の以前の版は、別の値を報告していました。GC なしと GC ありの損失は、2021 年の [pull request 497](https://github.com/keras-team/keras-io/pull/497) では 0.55 と 0.41、[最終更新日が 2021-06-18 の版のページ](https://github.com/keras-team/keras-io/blob/ad4fc805f5e1a4a4c0bcdd416aa9feac6608fb6c/examples/vision/md/gradient_centralization.md)では 0.58 と 0.44 です。
#
# こうした問題は、このチュートリアルより前に、ほかの人たちが見つけています。2021 年には、パッケージ `gctf` の [issue 24](https://github.com/Rishit-dagli/Gradient-Centralization-TensorFlow/issues/24) が、そのパッケージの例について、モデルをもう一度コンパイルしても重みは初期値に戻らないので、2 回目の訓練のほうがよくなるのは当然だ、と指摘しました。2025 年には、[issue 2111](https://github.com/keras-team/keras-io/issues/2111) が、公開例の比較は公平でないかもしれない、と指摘しました（くわしい経緯は[ノートブック 4](04_gradient_centralization.ipynb) にあります）。公開例が 2 回の訓練の間に行っていたのは、`compile` をもう一度呼ぶことだけです。そして、`compile` は**重みをそのまま残します**。次の出力の False は、「変わっていない」という意味です。

# %%
import keras
from gc_tutorial import build_cnn

model = build_cnn(image_size)
before = model.get_weights()
model.compile(keras.optimizers.RMSprop(1e-4), "binary_crossentropy")
changed = any((a != b).any() for a, b in zip(before, model.get_weights()))
print(text("compile changed a weight: {changed}", changed=changed))

# %% [markdown] translates="8650ff83b753"
# つまり 2 回目の訓練は、1 回目の訓練が終わったところから続くのです。実験 E では、同じことを、GC をまったく使わずに、5 個の新しいシードで繰り返します。素の RMSprop で 10 エポック訓練し、もう一度 `compile` を呼び、素の RMSprop でさらに 10 エポック訓練します。次の図には、これらの訓練とその平均を、公開例の途中経過とまとめにある訓練損失とともに描きます（図とあとの出力で「公開例」と言うのも、Keras の例のことです）。

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
from gc_tutorial import plotting

recipe, progress = published("E_recipe"), load_study("published_progress")
control = recipe.table[recipe.table["arm"] == "recompiled"]
half, summary = progress["epoch"].max() // 2, {10: 0.5346, 20: 0.4014}
figure, axis = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
plotting.draw_control(axis, control, progress, summary)
axis.set_title("More training without GC lowers the loss, too")
show(
    figure,
    alt="Training loss over twenty epochs: the curve of the Keras example, and five runs without GC with their mean; all fall on after compile.",
)

# %%
at = control[control["epoch"].isin([half, 2 * half])].groupby("epoch")[["train_loss", "train_accuracy"]].mean()
by_seed = control.pivot(index="seed", columns="epoch", values="train_loss")
fall = estimate(by_seed[half] - by_seed[2 * half])
values = {
    "half": half,
    "seeds": len(by_seed),
    "loss": at["train_loss"][half],
    "later_loss": at["train_loss"][2 * half],
    "accuracy": at["train_accuracy"][half],
    "later_accuracy": at["train_accuracy"][2 * half],
    "fall": amount(-fall["difference"], -fall["t_high"], -fall["t_low"]),
    "published": summary[10] - summary[20],
}
Markdown(
    text(
        "Without any GC, from the end of the first {half} epochs to the end of {half} more after `compile` (means of {seeds} seeds): "
        "training loss **{loss:.2f}** to **{later_loss:.2f}**, training accuracy **{accuracy:.2f}** to **{later_accuracy:.2f}**. "
        "The loss is {fall}. In the summary of the Keras example it is lower by {published:.2f}.",
        **values,
    )
)

# %% [markdown] translates="5cfeea0e750e"
# ここで比べたのは単独のエポックどうしです（規則の対象外）。実験 E の規則では、エポック 8〜10 とエポック 18〜20 の損失の平均をとり、公開例の途中経過と比べます。E ではさらに、公開例の設定で GC なしと GC ありを訓練し、10 エポックのあとと 40 エポックのあとに両者を比べます。「訓練中に測った訓練損失」（running loss）は、訓練のステップそのものでの損失です。Keras が表示する値と同じく、ドロップアウトとデータ拡張のある状態で測ります。

# %%
asked = {
    "control": text("How much does a second training without GC gain?"),
    "ten_epochs": text("What does GC do in ten epochs?"),
    "too_few_steps": text("And in 40?"),
}
found = recipe.findings()
lines = [f"- **{question}** {found[rule].found}" for rule, question in asked.items()]
Markdown("\n".join(lines))

# %% [markdown] translates="dce92cb39a6e"
# ## このノートブックからは言えないこと
#
# - **実験 A、B、E では、データセットは 1 つ、ネットワークも 1 つだけです。** ネットワークは素の CNN です。バッチ正規化はなく、A と B の訓練は 12 エポックです（A では 36 エポックも）。実験 C ではほかのデータセットとネットワークも使い（[ノートブック 9](09_should_you_use_it.ipynb)）、D と D2 ではバッチ正規化も使います。論文の改善は、ほかのデータセットとネットワークで測られたものです。たとえば ImageNet では、ResNet-50 の top-1 誤り率が GC なしで 23.71%、GC ありで 23.21% です（[Yong et al. 2020](https://arxiv.org/abs/2004.01461)）。
# - **CG の馬と人の数が限られています。** 訓練用画像に写っているのは、[馬 50 頭と人 17 人](../../gc_tutorial/study/training_figures.md)（英語）です。区間が表すのは、シードによるばらつきだけです。ほかの馬や人なら、違う結果になるかもしれません。
# - **学習率を調整しない実験には限界があります。** 学習率は 1 つだけで、最終エポックの値だけを使い、テスト正解率は背景が白い画像だけで測っています。ですから、訓練用画像と同じ種類の画像については、何も言えません。
# - **評価用画像での小さな効果は分かりません。** 実験 B ほどのばらつきがあると、60 個のシードを使い、しかも多重検定の補正をしない場合でさえ、2 ポイントの真の差を見逃すことがあります。0.5 ポイントの差なら、見つかりません。見逃す割合は、次のとおりです。

# %% tags=["hide-input"]
from statsmodels.stats.power import TTestPower

lines = []
for row in answers["heldout"].table.itertuples():
    missed = 1 - TTestPower().power(0.02 / row.sd, row.seeds, 0.05)
    said = "- {optimizer}: the interval reaches {half:.1f} points to either side; {missed:.0%} of such studies would miss a true difference of two points."
    values = {"half": 50 * (row.t_high - row.t_low), "missed": missed}
    lines.append(text(said, optimizer=value_name("optimizer", row.optimizer), **values))
Markdown("\n".join(lines))

# %% [markdown] translates="8fced768afab"
# ほかのデータ、ほかのネットワーク、計算のコスト、そして自分のプロジェクトでどうすべきかは、[9. 使うべきか](09_should_you_use_it.ipynb) で扱います。

# %% [markdown] translates="acc6e81b45b5"
# ## 練習問題
#
# シードはいくつあれば足りるでしょうか。テスト正解率の区間の幅は、シードの数の平方根に反比例します。真の差が 2 ポイントのとき、このような実験 5 回のうち 4 回でその差が示されるためには、いくつのシードが必要でしょうか。そのためには、差が標準誤差の 2.8 倍でなければなりません。標準誤差は、対応のある差のばらつきを、シードの数の平方根で割ったものです。学習率を調整しない RMSprop の実験から見積もってください。
#
# 次のセルが解答例です。折りたたんであるので、まず自分で解いてから開いてください。

# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title Solution
import numpy as np
from gc_tutorial.study.analysis import final_training_loss, outcomes

study = studies["rmsprop"]
accuracy = outcomes(study, final_training_loss(study))["test_accuracy"].unstack("arm")
spread = (accuracy["gradient"] - accuracy["none"]).std()
needed = int(np.ceil((2.8 * spread / 0.02) ** 2))
answer = "Answer: about {needed} seeds. The difference spreads by {spread:.0f} points from seed to seed."
print(text(answer, needed=needed, spread=100 * spread))
print(
    text(
        "A standard error is spread / sqrt(seeds). To exclude zero, an estimate must be 1.96 standard errors away from it. For\n"
        "this to happen in four of five studies, the true difference must be 1.96 + 0.84 = 2.8 standard errors."
    )
)
for row in answers["heldout"].table.itertuples():
    needed = int(np.ceil((2.8 * row.sd / 0.02) ** 2))
    values = {"optimizer": value_name("optimizer", row.optimizer), "spread": 100 * row.sd, "needed": needed}
    print(text("With the spread of study B, {optimizer}: {spread:.0f} points, so about {needed} seeds.", **values))

# %% [markdown] translates="48e2ae3db642"
# ## このノートブックのまとめ
#
# - 公平な比較では、対応をつけ、毎回新しく始め、評価用画像で測り、繰り返し、調整します。規則は、訓練の前に書いておきます。
# - 調整していない 1 つの設定で改善が見られても、別の 1 つの設定では見られないことがあります。
# - ここで使った画像では、GC を使ったときに訓練用画像への適合がいちばんよくなる学習率（1e-3）なら、GC ありのほうが訓練が速く進みますが、3.2e-4 では速くなりません。規則によれば、3.2e-4 では GC ありのほうがテスト正解率が低くなります（この馬と人についてだけの結果です）。1e-3 では高くなります（規則の対象外）。
# - 公開例のような改善は、GC がなくても得られます。同じモデルを 2 回続けて訓練するだけで足ります。
#
# 次は [6. 自分の画像](06_your_own_images.ipynb) です。ここまでの結果が自分のプロジェクトにとって何を意味するかは、[9. 使うべきか](09_should_you_use_it.ipynb) で述べます。
