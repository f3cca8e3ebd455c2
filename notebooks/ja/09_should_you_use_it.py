# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] translates="e3f56032d94b"
# # 9. 使うべきか
#
# **勾配中心化（GC）が自分にとって使う価値のあるものかどうかを決めましょう。学習率を調整すると何が変わるか、ほかのデータやネットワークでも成り立つのは何か、コストはどれだけか、ほかの人の結果はどうかを順に見ます。最後に、場合ごとの答えを結果から計算した表を読みます。**
#
# 所要時間は、CPU 2 コアで約 1 分です。GPU は要りません。ここでは何も訓練しません。
#
# [Colab で開く](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/09_should_you_use_it.ipynb) · [Binder で開く](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/ja/09_should_you_use_it.ipynb) · [Kaggle で開く](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/09_should_you_use_it.ipynb) · [Codespaces で開く](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [nbviewer で読む](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/09_should_you_use_it.ipynb) · [English](../09_should_you_use_it.ipynb)
#
# このノートブックで行うこと
#
# - 勾配中心化（GC）についての手短な結論を読み、それがどの実験に基づくのかを見ます。
# - GC のコスト、ほかの人の結果、GC が害になるところを考え合わせます。
# - 判断のための表を読み、同じ実験を自分の画像で実行します。

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

# %% [markdown] translates="350770e79254"
# ## まず結論から
#
# 小さなネットワークを最初から、短い時間だけ訓練するときに、訓練用データにもっと速く適合させたいなら、GC を試してください。既製のクラスなら 1 行で済み、簡単に取り除けます。学習率は、GC ありと GC なしの両方で調整してください。どちらでも同じ学習率がいちばんよい、ということもよくあります。
#
# 実験 B と実験 C のどの設定でも、12 エポック後の訓練損失は GC ありのほうが低くなりました。また、この 2 つの実験の規則によれば、このような訓練では、一般に GC ありのほうが訓練が速く進むと言えます。36 エポック後と 40 エポック後の結果は、場合によって違います（あとで述べます）。
#
# 新しいデータでの正解率は、上がることも下がることもあります。C では、半分の設定で高くなることが示され、低くなることが示された設定はありません。一方、B では、学習率が 3.2e-4 のとき、どちらの設定でも低くなることが示されました（この実験の馬と人についてだけの結果です。1e-3 では高くなりますが、これは規則の対象外です）。ですから、正解率について一般的な主張をする実験は、ここにはありません。すでにほとんどの答えが正しい場合には、改善は期待しないほうがよいでしょう。ファインチューニングでは、結論が出ていません。
#
# この結論のよりどころは、主に実験 B と実験 C です。B では、*Horses or Humans*、素の CNN（[ノートブック 3](03_cnn.ipynb) の CNN）、RMSprop と Adam、60 個のシードを使います。C では、5 つの小さなデータセットと、バッチ正規化のある CNN とない CNN、小さなトランスフォーマー、重み減衰のある AdamW を使い、GC が役に立つかどうかを、設定ごとに調べます。**設定**とは、データセットとネットワークの組み合わせのことです。「役に立つ」と「害になる」は、差の 95% 信頼区間がゼロを含まず、多重検定の補正をしてもそう言えることを表します。「ドロップアウトなし」の訓練損失は、データ拡張もなしで測っています。主に調べるのは、素の CNN（数字と MNIST-1D では小さな CNN）の設定で、データセットごとに 1 つずつあります。規則から分かったことは、次のとおりです。

# %%
from gc_tutorial.study.published import published

plans = {
    "A": "A_tuning",
    "B": "B_confirmation",
    "B2": "B2_lower_rate",
    "C": "C_generality",
    "D": "D_mechanism",
    "D2": "D2_mechanism_sgd",
    "E": "E_recipe",
}
studies = {letter: published(plan) for letter, plan in plans.items()}
found = {letter: study.findings() for letter, study in studies.items()}

# %%
from gc_tutorial import text
from gc_tutorial.language import sentences
from gc_tutorial.study.evidence.result_rows import counted_settings, counted_speed, general_claims
from IPython.display import Markdown

COUNTS = {"speed": counted_speed}
groups = {
    ("C", "training"): text("Training loss, from new weights:"),
    ("C", "heldout"): text("Held-out accuracy, from new weights:"),
    ("C", "fine_tuning"): text("Held-out accuracy, fine-tuning:"),
    ("C", "speed"): text("Speed, in epochs to the same training loss:"),
    ("B", "training"): text("Training loss on *Horses or Humans* (study B):"),
    ("B", "heldout"): text("Held-out accuracy on *Horses or Humans* (study B):"),
    ("B", "speed"): text("Speed on *Horses or Humans* (study B):"),
}
lines = [
    f"- **{group}** "
    + sentences([COUNTS.get(rule, counted_settings)(found[letter][rule]), *general_claims(found[letter][rule])])
    for (letter, rule), group in groups.items()
]
Markdown("\n".join(lines))

# %% [markdown] translates="efdc0124565b"
# この結論には、5 つの限界があります。
#
# - **学習率によって変わる。** 実験 B では、GC ありの訓練損失がいちばん低くなる 1e-3 のとき、GC ありのほうが訓練が速く、テスト正解率も 3.4 ポイント（RMSprop）と 2.8 ポイント（Adam、規則の対象外）高くなります。テスト損失で選ばれる 3.2e-4 では、訓練は速くならず、規則によれば正解率は低くなります（[ノートブック 5](05_comparison.ipynb)）。調整用のシードが 5 個では、評価用画像にいちばんよい学習率を確実に選ぶことはできません。60 個の新しいシードでは、RMSprop に GC を加えたときのテスト損失は、選ばれた学習率（0.57）よりも 1e-3（0.54）のほうが低くなっています。Adam では、選ばれた学習率のほうがよい結果です（0.56、1e-3 では 0.58）。
# - **訓練が短い。** どの設定でも、オプティマイザは RMSprop、Adam、AdamW のどれかで、バッチは 32 枚、学習率は一定です。学習率は、12 エポック（ファインチューニングでは 20 エポック）の訓練に合わせて調整したものです。GC なしのネットワークには、12 エポック後でも、まだほとんど学習が始まっていないものもありました。ですから、いくつかの設定で示されているのは、訓練の初めの進みが速くなることです。長く訓練したあとによりよいネットワークになることは、どの設定でも示されていません。もっと長く訓練した結果は 2 つあり、シードは 5 個ずつです（あとで述べます）。36 エポック後の訓練損失は、SGD では GC ありのほうが低く、RMSprop と Adam では結論が出ませんでした。公開例の設定で 40 エポック訓練したあとの訓練損失は、GC ありのほうが少し高くなりました。
# - **あまり学習していない。** 正解率が高くなることが示された 6 つの設定のうち 5 つは写真を使うもので、これらのネットワークは、写真についてあまり学習していません（数値は、あとの「ほかではどうか」にあります）。数字の画像と MNIST-1D では、答えのほとんどが正しく、GC による正解率の変化は 1 ポイント未満です。そのうちの 1 つの設定では、テスト**損失**は GC ありのほうが高くなっています（あとの「害になるところ」）。
# - **バッチ正規化。** バッチ正規化を使うと、テスト正解率も、ドロップアウトなしで測った訓練損失も、過去のバッチについての平均を使って測ることになります。短い訓練では、この平均が遅れてついてきます（[ノートブック 8](08_why_it_works.ipynb)）。GC による改善の一部は、この遅れが小さくなったためかもしれません。訓練中に測った訓練損失には、この平均を使いません。その損失が GC によって下がる幅は、4 つの設定のどれでも、ドロップアウトなしで測った場合より小さくなっています。ただし、数字の画像と MNIST-1D では、バッチ正規化のない設定でもそうなっているので、そこでは、遅れだけが理由ではありえません。
# - **シードとデータセットが少ない。** 実験 C のシードは設定ごとに 10 個で、学習率の調整には、それとは別の 3 個しか使っていません。調整で試した学習率は約 3.2 倍刻みです。12 個の設定は、5 つのデータセットと 10 個のシードを共有しているので、12 個の独立した結果ではありません。また、シードごとに変わるのは同じデータの分け方なので、訓練用のデータは互いに重なっています。区間は、シードを独立とみなして求めているため、新しいデータについての区間としては狭すぎます。実験 B にはシードが 60 個ありますが、画像は *Horses or Humans* だけです。
#
# 自分のデータで改善するかどうかは、**自分の**評価用データで、GC あり・なしのどちらも学習率を調整し、いくつものシードで比べて、はじめて分かります。そのやり方は、最後の節で説明します。ただし、その前に、学習率、入力のスケール、データ拡張、訓練の長さを調整してください。
#
# ## これまでに測ったこと
#
# まず、言葉の説明をします。比べる方法の 1 つ 1 つを、**群**と呼びます。**評価用画像**は、訓練に使わない画像です。「公開例」と言うのは、最終更新日が 2023-07-25 の版の [Keras の GC の例](https://keras.io/examples/vision/gradient_centralization/)のことです。
#
# 計画した実験は、それぞれ 1 つの問いに答えるためのものです。どの実験にも計画があり、学習率、シード、そして、どのような数値を「役に立つ」「害になる」「実用上の違いはない」とするかの規則が書いてあります。規則は、判定の対象となる訓練より前に書いてあります。コミットの日付は、例外の一覧とともに[結果の README](../../gc_tutorial/study/results/README.md)（英語）にあります。損失と正解率は、規則に別の定めがなければ、最後の 3 エポックの平均です。

# %%
lines = [f"- **{text(study.plan.title)}** {study.state[:1].upper()}{study.state[1:]}" for study in studies.values()]
Markdown("\n".join(lines))

# %% [markdown] translates="57522fe5dbe0"
# 新しいシードを使う 2 つの実験、D（RMSprop）と D2（SGD）は、GC がなぜ効くのかを調べるものです（[ノートブック 8](08_why_it_works.ipynb)）。そのために、94 ピクセルの画像を使い、実験 A で GC **なし**のときにいちばんよいと分かった 1 つの学習率で、GC ありと GC なしの訓練を行います。

# %%
from gc_tutorial.study.evidence.synthesis import at_one_rate

one_rate = at_one_rate(found["D"]) + at_one_rate(found["D2"], "sgd")
Markdown("\n".join(f"- {said}" for said in one_rate))

# %% [markdown] translates="d92a9a05cca1"
# これらの実験で調べるのは訓練損失です。テスト正解率は副次的な指標で、計画では、その符号と区間を示すだけで、何も主張しません。訓練損失が、でたらめに答えたときの 0.69 に近ければ、この学習率では 12 エポックは短すぎるということです。

# %%
from gc_tutorial.study.evidence.result_rows import result_rows


def show_results(letter, rules):
    """A row for each rule and setting."""
    columns = [text("outcome"), text("setting"), text("GC minus no GC (95% interval)"), text("seeds"), text("word")]
    return result_rows(found[letter], rules).set_axis(columns, axis=1).set_index(columns[:2])


def say_results(letter, rules):
    """What the rules of a study found, in their own words."""
    lines = [found[letter][rule].bullets(text("{name}:", name=name)) for rule, name in rules.items()]
    return Markdown("\n".join(lines))


# %% [markdown] translates="2f879435bee1"
# ## 調整しない場合
#
# 最初の実験では、GC ありと GC なしを、調整していない 1 つの学習率で比べました。訓練はすべて終わっていて、結果は[ノートブック 5](05_comparison.ipynb) で見ることができます。訓練に使わずに取り分けた評価用画像の背景は、訓練用画像と違って白です。

# %%
import pandas as pd
from gc_tutorial.study.analysis import OUTCOMES, load_study, paired_differences, verdict

untuned = {
    text("RMSprop at 1e-3"): load_study("rmsprop"),
    text("SGD at 0.01"): load_study("sgd"),
    text("published recipe, RMSprop at 1e-4"): load_study("published_recipe"),
}
rows = pd.concat([paired_differences(table).assign(study=name) for name, table in untuned.items()])
rows = rows[rows["arm"] == "gradient"]
lines = [
    text(
        "- **{study}**, {outcome}: {verdict}.",
        study=row.study,
        outcome=OUTCOMES[row.outcome],
        verdict=verdict(row._asdict()),
    )
    for row in rows[rows["outcome"].isin(["train_loss", "test_accuracy"])].itertuples()
]
Markdown("\n".join(lines))

# %% [markdown] translates="0688360831a0"
# ## 調整すると何が変わるか
#
# 調整していない学習率では、ある方法がほかよりよく見えることがあります。学習率がよくなくてもうまくいくからかもしれませんし、ステップが大きいからかもしれません。実験 A では、どの群でも 7 通りの学習率を試します。次の図が示すのは、調整に手間をかけると何が得られるかです。候補の学習率からいくつかをランダムに引き、それぞれで訓練し、いちばんよいものを採ります。これは調整に使った 5 個のシードの様子を示すもので、そこから GC について何かを主張することはありません。試す学習率が少ないときは、1 回の訓練で結果が決まってしまうことがあります。高い学習率で損失が爆発すると、シードについての平均が大きく上がるからです。

# %%
from gc_tutorial.study.evidence import budget_figure
from gc_tutorial.study.evidence.names import ARMS
from gc_tutorial.study.evidence.tuning import best_of_k

tuning = studies["A"].runs
tuning = tuning[tuning["epochs"] == 12].sort_values("arm", key=lambda arms: arms.map(list(ARMS).index))
expected = best_of_k(tuning.sort_values("optimizer", key=lambda names: names != "rmsprop", kind="stable"))
print(studies["A"].progress)

# %% tags=["hide-input"]
from gc_tutorial.plotting import show

title = text("Expected best training loss, by the number of learning rates tried (5 tuning seeds)")
show(budget_figure.budget(expected, title=title), alt=budget_figure.budget_alt(expected))

# %%
each = [budget_figure.budget_finding(part) for _, part in expected.groupby("optimizer", sort=False)]
Markdown("\n".join("- " + text("{finding}.", finding=finding) for finding in each))

# %% [markdown] translates="0abd46079d94"
# 試したすべての学習率を合わせて、損失は何回爆発したのでしょうか。

# %%
exploded = tuning[tuning["diverged"] | (tuning["clean_loss"] > 1)].groupby("arm")["run"].nunique()
for arm, count in tuning.groupby("arm", sort=False)["run"].nunique().items():
    print(
        text(
            "{arm}: {bad} of {count} runs diverged or ended with a loss above 1",
            arm=ARMS[arm],
            bad=exploded.get(arm, 0),
            count=count,
        )
    )

# %% [markdown] translates="60caa199cee3"
# これだけでは少なすぎて、方法を比べることはできません。
#
# 訓練を長くしても、改善は続くのでしょうか。実験 A では、それぞれの群でいちばんよい学習率を使い、36 エポックの訓練も行いました。

# %%
from gc_tutorial.study.evidence.names import value_name
from gc_tutorial.study.evidence.pairs import best_pairs, compare_pairs
from gc_tutorial.study.evidence.wording import amount

longer = studies["A"].runs[studies["A"].runs["epochs"] == 36]
longer = best_pairs(longer, by="heldout_loss", tuning=longer, stage="tuning")
accuracies = [
    text(
        "{optimizer} {said}",
        optimizer=value_name("optimizer", row.optimizer),
        said=amount(row.difference, row.t_low, row.t_high, row.outcome),
    )
    for row in compare_pairs(longer, "heldout_accuracy", corrected=False).itertuples()
]
outside = text("Outside the rules: held-out accuracy with GC, {said}.", said=text("; ").join(accuracies))
Markdown(found["A"]["longer"].bullets(text("After 36 epochs:")) + "\n\n" + outside)

# %% [markdown] translates="18aaaab93589"
# 実験 B では、RMSprop と Adam について、GC なしと勾配への GC を、それぞれのいちばんよい学習率で訓練します。シードは新しいものが 60 個、画像は 150 ピクセルです。評価用画像は訓練用画像と同じ種類ですが、写っているのは、ネットワークが一度も見たことのない、CG の馬と人です。B では、あと 2 つのことも調べます。1 つは、GC を加えると、同じ訓練損失に達するまでのエポックが少なくなるかどうか、もう 1 つは、GC なしでも、もっとよい学習率を使えば、その損失に達するかどうかです。

# %%
show_results(
    "B",
    {
        "training": text("training loss"),
        "heldout": text("held-out accuracy, same kind"),
        "shifted": text("accuracy, images on white"),
    },
)

# %% [markdown] translates="ab169e0db766"
# 短剣符（†）は、いちばんよい学習率が候補の端にある設定を示します。（計画 B2 では、その次に低い学習率 1e-4 は、どちらの方法でも、もっと悪い結果でした。）GC なしの Adam では、60 個のシードで結果がよかったのは、調整で選ばれた学習率ではなく、もう一方の学習率でした。[ノートブック 5](05_comparison.ipynb) では、両方の方法を同じ学習率で比べています。速さを測るための目標は、GC なしの訓練で決めてあります。調整用のシードで、GC なしをいちばんよい学習率で訓練し、エポックの 3 分の 2 が過ぎたときの、訓練中に測った訓練損失の平均です。

# %%
say_results("B", {"speed": text("Speed, best against best"), "learning_rate": text("Is GC a larger step")})

# %% [markdown] translates="7b8e47b47887"
# ## ほかではどうか
#
# 実験 C では、GC を、写真（猫と犬、5 種類の花）、数字の画像、1 次元の信号（MNIST-1D）、バッチ正規化のあるネットワークとないネットワーク、小さなトランスフォーマー、重み減衰のある AdamW で試します。ファインチューニングも行います。まず猫と犬でネットワークを訓練し、それから、馬と人の画像 100 枚または 200 枚で訓練します。どの群も、3 個のシードでその群に合わせて調整した学習率と、新しい 10 個のシードを使います。写真では、これで分かるのは大きな効果だけです。

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.forest_figure import forest, forest_alt


def show_forest(rule):
    """Draw GC against no GC in each setting of study C."""
    show(forest(found["C"][rule].table), alt=forest_alt(found["C"][rule].table))


show_forest("training")

# %% tags=["hide-input"]
show_forest("heldout")

# %% tags=["hide-input"]
show_forest("fine_tuning")

# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title The numbers behind the figures
show_results(
    "C",
    {
        "training": text("training loss"),
        "training_running": text("running training loss"),
        "heldout": text("held-out accuracy"),
        "fine_tuning": text("held-out accuracy after fine-tuning"),
    },
)

# %% [markdown] translates="8bb6baa6356e"
# これらのネットワークの性能は、どれくらいなのでしょうか。写真では、ネットワークを 1,000 枚の画像で最初から 12 エポックだけ訓練するので、そのようなデータセットで達成できる水準には、とても届きません。結果は次のとおりです。

# %%
from gc_tutorial.study.evidence.result_rows import short_names

photographs = found["C"]["heldout"].table.query("data in ['cats_and_dogs', 'flowers']")
lines = [
    text("- {name}: held-out accuracy {without:.0%} without GC, {gc:.0%} with it", name=name, without=without, gc=gc)
    for name, without, gc in zip(short_names(photographs), photographs["mean_baseline"], photographs["mean"])
]
Markdown("\n".join(lines) + "\n\n" + text("A guess is right in 50% (cats and dogs) and 20% (flowers) of images."))

# %% [markdown] translates="a07f64a71296"
# 一般に成り立つのは何でしょうか。規則がそれを問うのは、速さとテスト正解率についてで、どちらも素の CNN と小さな CNN だけが対象です。

# %%
from gc_tutorial.study.evidence.synthesis import faster_in_general

asked = {"speed": text("Speed in general"), "heldout": text("Held-out accuracy in general")}
claims = {rule: general_claims(found["C"][rule]) for rule in asked}
claims["speed"] += faster_in_general(found["B"], found["C"])
lines = [text("- **{name}:** {said}", name=asked[rule], said=sentences(said)) for rule, said in claims.items()]
Markdown("\n".join(lines))

# %% [markdown] translates="65086ed0b7e7"
# 規則には含まれませんが、もっと厳しい確認を 1 つ加えます。どの設定でも、シードごとの訓練用データは同じデータから選ばれ、互いに重なっています。そのため、シードについての区間は、新しいデータについての区間としては狭すぎます。Nadeau と Bengio の補正（2003 年、*Machine Learning* 52）は、この重なりのせいで見えなくなる分を分散に加えます。GC が役に立つと判定された設定のうち、補正をしてもその結果が保たれるのはいくつでしょうか。

# %%
from gc_tutorial.study.evidence.result_rows import kept_for_new_examples

kept = [
    text("- Study {letter}: {said}", letter=letter, said=kept_for_new_examples(found[letter][rule]))
    for letter in ("C", "B")
    for rule in ("training", "heldout")
]
Markdown("\n".join(kept))

# %% [markdown] translates="f2163b236657"
# 実験 C には問いがあと 2 つあり、どちらにも「差の差」で答えます。つまり、同じシードについて、ある設定での効果から、もう 1 つの設定での効果を引きます。バッチ正規化があると、効果は小さくなるのでしょうか。（2 通りに測った訓練損失の結果が一致したときだけ、答えとみなします。）そして、GC は、重み減衰の代わりになるのでしょうか。

# %%
say_results(
    "C",
    {
        "batch_normalization": text("Batch normalization, clean loss"),
        "batch_normalization_running": text("Batch normalization, running loss"),
        "weight_decay": text("Weight decay"),
    },
)

# %% [markdown] translates="884ba1915225"
# 馬と人の画像では、バッチ正規化は D と D2 の条件の 1 つでもありました。

# %%
from gc_tutorial.study.evidence.wording import changed_amount

effects = {letter: found[letter]["common_shift_running"].table for letter in ("D", "D2")}
effects = {letter: table[table["factor"] == "network"].iloc[0]["effect_second"] for letter, table in effects.items()}
said = {letter: changed_amount(-effect, "train_loss", "log") for letter, effect in effects.items()}
Markdown(
    text(
        "With batch normalization and GC the running training loss is {rmsprop} with RMSprop (D), and {sgd} with SGD (D2), each arm at its own "
        "tuned rate.",
        rmsprop=said["D"],
        sgd=said["D2"],
    )
)

# %% [markdown] translates="d4047404f5b4"
# ## コスト
#
# GC は、平均を計算するために、どの勾配ももう一度読みます。その時間がどれだけの割合を占めるかは、訓練のステップのほかの部分によって決まります。必要なメモリも、GPU でのコストも、測っていません。

# %%
from gc_tutorial.study.cost import cost_finding, cost_rows, measured_costs

costs = measured_costs()
Markdown(cost_finding(costs))

# %% [markdown] translates="8e18d875b6fb"
# 次の表は、訓練の 1 ステップの CPU 時間が、GC なしの何倍になるかを示しています。値は、2 コアの CPU で、バッチサイズを 32（TensorFlow）または 4（JAX、PyTorch）として測った、中央値と 95% 信頼区間です。

# %%
cost_rows(costs)

# %% [markdown] translates="a7ae573867df"
# ## 害になるところ
#
# 計画した実験の規則から得られた結果のうち、GC が害になることを示すものを、すべて挙げます。（実験 B のものは 3.2e-4 での結果で、その馬と人についてだけ言えることです。背景が白い画像での正解率は、副次的な指標です。「エポック 40」は、公開例の設定で 40 エポック訓練した場合です。）そのあとの行は、規則の対象外です。同じ訓練の終わりにドロップアウトなしで測った訓練損失と、背景が白い画像での正解率、そして、実験 C のテスト**損失**（多重検定の補正なし）を示します。

# %%
from gc_tutorial.study.evidence.decisions import harms
from gc_tutorial.study.evidence.intervals import estimate

hurting = harms(found)
last = studies["E"].table.query("epoch > 37").groupby(["arm", "seed"])[["clean_loss", "shifted_accuracy"]].mean()
late = {outcome: estimate(last.loc["gradient", outcome] - last.loc["none", outcome]) for outcome in last}
late = {name: amount(one["difference"], one["t_low"], one["t_high"], name) for name, one in late.items()}
losses = compare_pairs(best_pairs(studies["C"].runs, by="heldout_loss"), "heldout_loss", scale="log", corrected=False)
counts = {"lower": (losses["t_high"] < 0).sum(), "higher": (losses["t_low"] > 0).sum(), "count": len(losses)}
losses = losses.assign(name=short_names(losses)).query("t_low > 0")
higher = [
    text("{name} {said}", name=row.name, said=amount(row.difference, row.t_low, row.t_high, row.outcome, scale="log"))
    for row in losses.itertuples()
]
Markdown(
    "\n".join(f"- {sentence}" for sentence in hurting)
    + "\n\n"
    + text(
        "Outside the rules: study E, epochs 38 to 40, clean training loss {loss}, accuracy on the images on white {accuracy}.",
        loss=late["clean_loss"],
        accuracy=late["shifted_accuracy"],
    )
    + "\n\n"
    + text(
        "Outside the rules: study C, held-out loss shown to be higher in {higher} of {count} settings ({settings}), and lower in "
        "{lower}.",
        settings=text("; ").join(higher),
        **counts,
    )
)

# %% [markdown] translates="a72744b49249"
# ## ほかの人の結果
#
# 以下に挙げる結果は、どれもこのチュートリアルで得たものではなく、追試もしていません。論文は、ImageNet と COCO、そして、もっと小さな細粒度分類（fine-grained）のデータセットでの改善を報告しています。第三者の報告も探しましたが（2026-11-24 に検索）、見つかったものは、数が少なく、規模も小さく、ほとんどはシードを変えて繰り返していません。
#
# | 出典 | 測ったもの | GC なし | GC あり |
# | --- | --- | --- | --- |
# | [Yong et al. 2020](https://arxiv.org/abs/2004.01461) | ImageNet の top-1 誤り率、バッチ正規化を使った ResNet-50 | 23.71% | 23.21% |
# | 同上 | グループ正規化を使った ResNet-50 | 24.50% | 23.53% |
# | 同上 | ResNet-101。バッチ正規化、グループ正規化の順 | 22.37%、23.34% | 21.82%、22.14% |
# | 同上 | 細粒度分類のデータセットでの正解率。航空機、車、犬、鳥の順 | 86.62%、88.66%、76.16%、82.07% | 87.77%、90.03%、78.23%、83.40% |
# | 同上 | COCO の物体検出、ResNet-50 の Faster R-CNN（AP） | 36.4 | 37.0 |
# | ある利用者、2020-09-25、論文のコードの [issue 11](https://github.com/Yonghongwei/Gradient-Centralization/issues/11) | FER2013、ResNet-18、SGD。改善せず、訓練用画像への適合も速くならない | 約 72% | ほぼ同じか、それより低い |
# | 同じ利用者、2020-11-06 | FER2013、50 層のネットワーク | 約 72% | 0.1〜0.2 ポイント高い |
# | ある利用者、2020-08-05、Ranger の [issue 39](https://github.com/lessw2020/Ranger-Deep-Learning-Optimizer/issues/39) | 非公開のデータ、Ranger。改善したが、過学習しやすくなった | 数値なし | 数値なし |
# | senpai プロジェクト、2026-04-04、[pull request 2114](https://github.com/wandb/senpai/pull/2114)（そこにあるいくつかのうちの 1 つ） | 翼のまわりの空気の流れ、Lion、2 つのシードの検証損失（低いほどよいので、GC ありのほうが悪い） | 0.388、0.392 | 0.460、0.422 |
#
# **公開例**（Keras の例）は、GC を支持する証拠にも、否定する証拠にもなりません。最終更新日が 2023-07-25 の版で報告されている損失は、GC なしで 0.5346、GC ありで 0.4014 です。これらは、1 つのモデルを 2 回続けて訓練したときの、それぞれの訓練の値です。しかも Keras 3 では、公開例の GC は決して実行されません。これにだれがいつ気づいたかは[ノートブック 4](04_gradient_centralization.ipynb) にまとめてあり、[ノートブック 5](05_comparison.ipynb) では、GC なしで同じような改善を再現しています。
#
# ## 判断のための表
#
# それぞれの場合に、GC は訓練損失を下げるでしょうか。テスト正解率を上げるでしょうか。次のセルは、どの答えも規則から計算します。「はい」は、測ったすべての設定で役に立つという意味です。「示されていない」は、効果を示す設定が 1 つもなく、少なくとも 1 つの設定では結論が出ないという意味です。許容幅とは、この中に収まる差には実用上の意味がないと、各実験の規則で定めた幅です。正解率なら 2 ポイント、訓練損失なら 0.02 ナット（A と B。ナットは損失の単位です）、5%（C）、0.03 ナット（E）です。
#
# 実験 C に基づく行では、方法ごとに、調整した学習率を使っています。GC なしでいちばんよい学習率を使う場合の行は、RMSprop と SGD の結果です。実験 B で GC なしの Adam に選ばれた 3.2e-4 では、GC ありのほうが訓練損失が 0.028 高くなりました（0.017〜0.040、規則の対象外）。*Horses or Humans* の行では、GC ありの訓練損失は 1e-3、正解率は 3.2e-4 での値です。バッチ正規化を使う場合の訓練損失は、訓練中に測ったものです。ドロップアウトなしの訓練損失は、遅れてついてくる平均を使って測ることになるからです。
#
# どの答えも、これらの実験のネットワークと画像についてのものです。大きなネットワーク、長い訓練、文章や表のデータでは測っていません。

# %%
from gc_tutorial.study.analysis import verdict_word
from gc_tutorial.study.evidence.decisions import decision_table

words = [
    [verdict_word(row._asdict()) for row in rows[rows["outcome"] == outcome].itertuples()]
    for outcome in ("train_loss", "test_accuracy")
]
table = decision_table(found, tuple(words))
names = {
    "case": text("if"),
    "training": text("lower training loss?"),
    "heldout": text("higher held-out accuracy?"),
    "action": text("what to do"),
    "rests_on": text("rests on"),
}
table[list(names)].rename(columns=names).set_index(names["case"])

# %% [markdown] translates="f43f99ae08f0"
# 勾配への GC と更新量への GC の、どちらを使えばよいでしょうか。SGD なら、既定の、勾配への GC です。RMSprop と Adam でも、新しいシードの実験で使ったのは勾配への GC で、得られた結果もその GC についてのものです。更新量への GC を試したのは、実験 A の調整だけです。論文の著者は、これらのオプティマイザでは更新量への GC を勧めています。どちらがよいかは、分かっていません（[ノートブック 7](07_any_optimizer.ipynb)）。
#
# ## 同じ実験を自分の画像で
#
# 計画はテキストファイルです。次の計画では、群ごとに 3 通りの学習率を 5 個のシードで試し、次に、それぞれの群でいちばんよかった学習率で、10 個の新しいシードを使って訓練し、1 つの問いに答えます。10 個のシードで分かるのは、大きな効果だけです。ばらつきが実験 A と同じくらいなら、正解率の区間は左右に約 6 ポイントずつ広がります。いちばんよい学習率が、3 通りのうちでいちばん低いか、いちばん高いときは、学習率を 1 つ加えて、コマンドをもう一度実行します。`data` を `tfds:NAME` とすれば、[TensorFlow Datasets](https://www.tensorflow.org/datasets/catalog/overview) にある画像分類のデータセットをどれでも使えます。たとえば `tfds:beans` は、豆の葉の写真で、健康な葉と病気の葉があります。

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

from gc_tutorial.study.plan import read_plan

MY_PLAN = """
title = "GC on images of bean leaves"

[seeds]
tuning = [100, 101, 102, 103, 104]
confirmation = [200, 201, 202, 203, 204, 205, 206, 207, 208, 209]

[factors]
data = "tfds:beans"
network = "cnn"
optimizer = "adam"
augmentation = "mild"
epochs = 12
image_size = 94
arm = ["none", "gradient"]

[[runs]]
learning_rate = [3.16e-4, 1e-3, 3.16e-3]

[[runs]]
stage = "confirmation"
learning_rate = { tuned = "heldout_loss" }

[rules.heldout]
kind = "difference"
text = "Held-out accuracy, best against best."
outcome = "heldout_accuracy"
by = "heldout_loss"
margin = 0.02
"""


def count_runs(plan_text):
    """How many runs a plan has: those known now, and those whose rates the tuning chooses."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "my_plan.toml")
        path.write_text(plan_text)
        plan = read_plan(str(path))
    return len(plan.runs), len(plan.tuned)


tuning_runs, tuned_runs = count_runs(MY_PLAN)
print(text("tuning runs and runs at tuned rates: {tuning} {tuned}", tuning=tuning_runs, tuned=tuned_runs))

# %% [markdown] translates="6ba92e286231"
# これを `my_plan.toml` として保存し、コマンドを 1 つ実行します。（複数のワーカーを使うには、追加の依存パッケージ `[study]` が必要です。`pip install distributed` でインストールできます。インストールしないときは、`--workers 2` を省きます。）
#
# ```sh
# python -m gc_tutorial study my_plan.toml my_runs --workers 2
# ```
#
# 自分の画像を使うときは、フォルダ `my_pictures`（または `my_pictures.zip`）をフォルダ `pictures` に入れ、`data = "my_pictures"` と書き、コマンドに `--images pictures` を加えます。そのフォルダの構成は、[ノートブック 6](06_your_own_images.ipynb) で述べています。実験では、`train` と `test` への分割は無視されます。すべての画像を一緒にしてから、その 5 分の 1 を評価用に取り分けます。どの 5 分の 1 を取り分けるかは、シードごとに変わります。
#
# 終わった訓練はすべて保存されるので、途中で止まっても、同じコマンドで続きから再開できます。`--dry-run` は、訓練を一覧にするだけで、何も訓練しません。いくつかの訓練が終わっていれば、残り時間の見積もりも示します。`--scheduler` を加えると、訓練は Dask のクラスタで行われます。そのときのコマンドは [README](../../README.md#run-a-study)（英語）にあります。終わったら、次のようにすると、規則による判定の結果が表示されます。
#
# ```sh
# python -m gc_tutorial tables my_plan.toml my_runs my_tables
# ```
#
# ```python
# from gc_tutorial.study.evidence.findings import findings
# from gc_tutorial.study.plan import read_plan
# from gc_tutorial.study.tables import load_table
#
# for one in findings(read_plan("my_plan.toml").rules, load_table("my_tables")):
#     print(one.found)
# ```
#
# 自分のネットワークについて知りたいときは、自分の訓練スクリプトの中で比べます。オプティマイザを `centralized(Optimizer)(..., centralize=mode)` と書き、モードには `None` と `"gradient"` を使います。シードごとに、`keras.utils.set_random_seed(seed)` を呼び、モデルを新しく作り、同じバッチで訓練します。これを、モードごとに 3 つ以上の学習率と、いくつかのシードで行います。次に、それぞれのモードでいちばんよかった学習率で、10 個以上の新しいシードを使って訓練し、対応のある差の平均を、その区間とともに報告します。
#
# データセットに同一の画像が何枚か含まれていても、分割で訓練用と評価用に分かれることはありません。しかし、1 本の映像から取ったコマのように、1 つのものを何度も写した画像も、訓練用と評価用に分かれてはいけません。どれがそのような画像なのかを、コマンドは判断できません。
#
# ## 練習問題
#
# 自分の画像を使うとき、バッチ正規化のあるネットワーク（`cnn_bn`）で GC が役に立つかどうかを知りたいとします。訓練は 60 回までできます。その問いに答えるように `MY_PLAN` を書き換え、訓練の数を数えてください。何をあきらめることになるでしょうか。
#
# 次のセルが解答例です。折りたたんであるので、まず自分で解いてから開いてください。

# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title Solution
mine = MY_PLAN.replace('network = "cnn"', 'network = "cnn_bn"')
mine = mine.replace("[3.16e-4, 1e-3, 3.16e-3]", "[5e-4, 1e-3, 2e-3, 4e-3]")
tuning_runs, tuned_runs = count_runs(mine)
print(
    text(
        "Answer: with `cnn_bn` and four rates the plan has {tuning} + {tuned} = {total} runs. You give up the\n"
        "plain CNN, so the plan cannot say whether the effect is smaller with batch normalization. For that both networks must be "
        "in one\n"
        "plan, with a rule of the kind `interaction`, as in `gc_tutorial/study/plans/C_generality.toml`.",
        tuning=tuning_runs,
        tuned=tuned_runs,
        total=tuning_runs + tuned_runs,
    )
)

# %% [markdown] translates="46f23f957099"
# ## このノートブックのまとめ
#
# - 計画した実験から、調整した学習率とほかのデータやネットワークについて、分かったことと、分からないままのことを見ました。
# - GC のコスト、GC が害になるという結果のすべて、そして、ほかの人の報告を日付とともに見ました。
# - 判断のための表は、規則から計算されます。また、1 つのコマンドで、同じ実験を自分の画像で実行できます。
#
# [1. 画像](01_data.ipynb) か [8. なぜ効くのか](08_why_it_works.ipynb) に戻るとよいでしょう。[よくある質問](../../docs/faq.md)（英語）には、短い答えがあります。
