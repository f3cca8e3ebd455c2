# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] translates="e7309fd39f8f"
# # 9. 使うべきか
#
# **勾配中心化（GC）が自分にとって使う価値のあるものかどうかを決めましょう。学習率を調整すると何が変わるか、ほかのデータやネットワークでも成り立つのは何か、コストはどれだけか、ほかの人の結果はどうかを順に見ます。最後に、場合ごとの答えを結果から計算した表を読みます。**
#
# 所要時間は、CPU 2 コアで 1 分以内です。GPU は要りません。ここでは何も訓練しません。
#
# [Colab で開く](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/09_should_you_use_it.ipynb) · [Binder で開く](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/ja/09_should_you_use_it.ipynb) · [Kaggle で開く](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/09_should_you_use_it.ipynb) · [Codespaces で開く](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [nbviewer で読む](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/09_should_you_use_it.ipynb) · [English](../09_should_you_use_it.ipynb)
#
# このノートブックで行うこと
#
# - 勾配中心化（GC）についての手短な結論を読み、それがどの実験に基づくのかを見ます。
# - GC のコスト、ほかの人の結果、GC が害になる場合を考え合わせます。
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

# %% [markdown] translates="dbab84c6a073"
# ## まず結論から
#
# 小さなネットワークをゼロから 12 エポックほど訓練するときに、訓練損失を下げたいなら、GC を試してください。実験 B と実験 C では、どの設定でも、GC ありのほうが訓練損失が低くなりました。ただし、新しいデータでの正解率の向上は、当てにできません。実験 C では、GC ありのほうが有意に高い設定が半分あり、有意に低い設定はありません。実験 B では、学習率によって、高くなることも低くなることもありました。もっと長い訓練とファインチューニングについては、分かっていません。既製のクラスを使えば、GC に必要なコードは 1 行です。訓練の 1 ステップにかかる時間は、CPU で測った範囲では、延びても数パーセントでした。学習率は、GC を加えた状態で調整してください。

# %% [markdown] translates="f0a176aa17c3"
# ## これまでに測ったこと
#
# 計画した実験は、それぞれ 1 つの問いに答えるためのものです。どの実験にも計画があり、学習率、シード、そして、どのような数値を「役に立つ」「害になる」「実用上の違いはない」とするかの規則が書いてあります。規則は、判定の対象となる訓練より前に書きました。コミットの日付と例外の一覧は、[結果の README](../../gc_tutorial/study/results/README.md)（英語）にあります。

# %% tags=["hide-input"]
from gc_tutorial import text
from gc_tutorial.study.published import published
from IPython.display import Markdown

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
lines = [f"- **{text(study.plan.title)}** {study.state[:1].upper()}{study.state[1:]}" for study in studies.values()]
Markdown("\n".join(lines))

# %% [markdown] translates="265dd14f260c"
# これらの実験で使う言葉は、次のとおりです。
#
# - 比べる方法（たとえば、GC なし）の 1 つ 1 つを、**群**と呼びます。**設定**とは、1 つのデータセットで 1 つのネットワークを訓練することです。
# - **評価用画像**は、訓練に使わない画像です。それで測った損失と正解率を、テスト損失、テスト正解率と呼びます。**個体**は、CG で描かれた馬や人の 1 体 1 体です。*Horses or Humans* の訓練用画像には、67 体が写っています。
# - **訓練中に測った訓練損失**は、訓練のステップそのものでの損失です。**訓練損失**（ドロップアウトなし）は、ドロップアウトもデータ拡張もなしで測ったものです。損失と正解率は、規則に別の定めがなければ、どれも最後の 3 エポックの平均です。
# - **役に立つ**、**害になる**と判定するのは、差の 95% 信頼区間がゼロを含まず、多重検定の補正をしてもその結果が保たれるときです。そのような差を**有意**と言い、差が**示された**とも言います。
# - **許容幅**は、差がここまでなら実用上の意味はないと、規則が定めた大きさです。値は、この一覧のすぐあとの行にあります。
# - **速い**かどうかは、訓練損失の目標に達するまでのエポック数で決めます。目標は、GC なしの群をいちばんよい学習率で訓練したとき、エポックの 3 分の 2 が過ぎた時点での、訓練中に測った訓練損失の平均です。「何倍」という値は、目標に達するまでに GC なしの訓練が必要とするエポック数が、GC ありの何倍かを表します。
# - **主に調べる設定**は、素の CNN（数字の画像と MNIST-1D では小さな CNN）の設定で、データセットごとに 1 つずつあります。
# - **規則の対象外**と書いてあるのは、どの規則も対象としていない数値です。結果の様子を示すだけのもので、多重検定の補正はしていません。
# - **公開例**は、最終更新日が 2023-07-25 の版の [Keras の GC の例](https://keras.io/examples/vision/gradient_centralization/)です。

# %% tags=["hide-input"]
margins = {
    "points": 100 * studies["C"].plan.rules["heldout"]["margin"],
    "nats": studies["B"].plan.rules["training"]["margin"],
    "percent": 100 * studies["C"].plan.rules["training"]["margin"],
    "recipe": studies["E"].plan.rules["too_few_steps"]["margin"],
}
said = (
    "Margins: {points:g} points of accuracy; of the training loss {nats:g} nats (studies A and B; a nat is the unit of the loss), "
    "{percent:g}% (C) or {recipe:g} nats (E)."
)
Markdown(text(said, **margins))

# %% [markdown] translates="4408c727d905"
# この結論のよりどころは、主に実験 B と実験 C です。B では、*Horses or Humans*、素の CNN（[ノートブック 3](03_cnn.ipynb) の CNN）、RMSprop と Adam、60 個のシードを使います。C では、5 つの小さなデータセットと、バッチ正規化のある CNN とない CNN、小さなトランスフォーマー、重み減衰のある AdamW を使い、シードは設定ごとに 10 個です。どちらの実験でも、群ごとにいちばんよい学習率を使い、訓練損失はドロップアウトなしで測ります。規則から分かったことは、次のとおりです。

# %% tags=["hide-input"]
from gc_tutorial.language import sentences
from gc_tutorial.study.evidence.result_rows import counted_settings, counted_speed, general_claims
from gc_tutorial.study.evidence.speed_rows import speed_limits


def counted(finding):
    """In how many settings GC helps, hurts or is faster, and what the rule says in general."""
    speed = finding.name == "speed"
    said = [counted_speed(finding), *speed_limits(finding)] if speed else [counted_settings(finding)]
    return sentences([*said, *general_claims(finding)])


groups = {
    ("C", "training"): text("Training loss, from scratch:"),
    ("C", "heldout"): text("Held-out accuracy, from scratch:"),
    ("C", "fine_tuning"): text("Held-out accuracy, fine-tuning:"),
    ("C", "speed"): text("Speed, in epochs to the same training loss:"),
    ("B", "training"): text("Training loss on *Horses or Humans* (study B):"),
    ("B", "heldout"): text("Held-out accuracy on *Horses or Humans* (study B):"),
    ("B", "speed"): text("Speed on *Horses or Humans* (study B):"),
}
Markdown("\n".join(f"- **{group}** {counted(found[letter][rule])}" for (letter, rule), group in groups.items()))

# %% [markdown] translates="0ce01e8c1af1"
# この結論には、5 つの限界があります。
#
# - **学習率。** 実験 B の答えは、学習率によって変わります。GC ありの訓練損失がいちばん低くなる 1e-3 では、GC ありのほうが訓練が速く、テスト正解率も高くなります（正解率は規則の対象外）。テスト損失で選ばれる 3.2e-4 では、訓練は速くならず、規則によれば正解率は低くなります。数値は、あとの「調整すると何が変わるか」にあります。調整用のシードが 5 個では、評価用画像にいちばんよい学習率を確実に選ぶことはできません。
# - **短い訓練。** どの設定でも、オプティマイザは RMSprop、Adam、AdamW のどれかで、バッチは 32 枚、学習率は一定です。学習率は、12 エポック（ファインチューニングでは 20 エポック）の訓練に合わせて調整しました。GC なしのネットワークには、12 エポック後でも、まだほとんど学習が始まっていないものもありました。ですから、いくつかの設定で示されているのは、訓練の初めの進みが速くなることです。長く訓練したあとによりよいネットワークになることは、どの設定でも示されていません。もっと長い訓練は 2 組あり、シードは 5 個ずつです（あとで述べます）。36 エポック後の訓練損失は、SGD では GC ありのほうが低く、RMSprop と Adam では結論が出ませんでした。公開例の設定で 40 エポック訓練したあとの訓練損失は、GC ありのほうが少し高くなりました。
# - **あまり学習していない。** 正解率が高くなることが示された 6 つの設定のうち 5 つは写真を使うもので、これらのネットワークは、写真についてあまり学習していません（数値は、あとの「ほかではどうか」にあります）。数字の画像と MNIST-1D では、答えのほとんどが正しく、正解率の変化は 1 ポイント未満です。そのうちの 1 つの設定では、テスト**損失**は GC ありのほうが高くなっています（あとの「害になる場合」）。
# - **バッチ正規化。** バッチ正規化を使うと、テスト正解率も、訓練損失（ドロップアウトなし）も、過去のバッチについての平均を使って測ることになります。短い訓練では、この平均が遅れてついてきます（[ノートブック 8](08_why_it_works.ipynb)）。GC による改善の一部は、この遅れが小さくなったためかもしれません。一方、訓練中に測った訓練損失には、この平均を使いません。GC がその損失を下げる幅は、4 つの設定のどれでも、訓練損失（ドロップアウトなし）を下げる幅より小さくなっています。ただし、数字の画像と MNIST-1D では、バッチ正規化のない設定でもそうなっているので、そこでは、遅れだけが理由ではありえません。
# - **シードとデータセットが少ない。** 実験 C のシードは、設定ごとに 10 個です。学習率は、それとは別の 3 個のシードで、約 3.2 倍刻みの候補から選びました。12 個の設定は、5 つのデータセットと 10 個のシードを共有しているので、12 個の独立した結果ではありません。また、シードごとに変わるのは同じデータの分け方なので、訓練用のデータは互いに重なっています。信頼区間では、この重なりを考えに入れていません。そのため、新しいデータについての区間としては狭すぎます。実験 B にはシードが 60 個ありますが、画像は *Horses or Humans* だけです。
#
# 自分のデータで改善するかどうかは、**自分の**評価用データで、GC ありと GC なしの両方の学習率を調整し、いくつものシードで比べて、はじめて分かります。そのやり方は、最後の節で説明します。ただし、その前に、学習率、入力のスケール、データ拡張、訓練の長さを調整してください。

# %% [markdown] translates="8cfc27f4a599"
# ### 両方に同じ学習率を使う場合
#
# 新しいシードを使う 2 つの実験、D（RMSprop）と D2（SGD）は、GC がなぜ効くのかを調べるものです（[ノートブック 8](08_why_it_works.ipynb)）。そのために、94 ピクセルの画像を使い、GC ありと GC なしを同じ 1 つの学習率で訓練します。それは、実験 A で GC **なし**のときにいちばんよいと分かった学習率です。

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.synthesis import at_one_rate

one_rate = at_one_rate(found["D"]) + at_one_rate(found["D2"], "sgd")
Markdown("\n".join(f"- {said}" for said in one_rate))

# %% [markdown] translates="0b9f83f2a3af"
# これらの実験で調べるのは訓練損失です。テスト正解率は副次的な指標で、計画では、その符号と区間を示すだけで、何も主張しません。訓練損失が、でたらめに答えたときの 0.69 に近ければ、この学習率では 12 エポックは短すぎるということです。

# %%
import pandas as pd
from gc_tutorial.study.evidence.result_rows import result_rows

pd.set_option("display.max_colwidth", None)  # whole sentences


def show_results(letter, rules):
    """A row for each rule and setting."""
    columns = [text("outcome"), text("setting"), text("GC minus no GC (95% interval)"), text("seeds"), text("word")]
    return result_rows(found[letter], rules).set_axis(columns, axis=1).set_index(columns[:2])


def say_results(letter, rules):
    """What the rules of a study found, in their own words."""
    lines = [found[letter][rule].bullets(text("{name}:", name=name)) for rule, name in rules.items()]
    return Markdown("\n".join(lines))


# %% [markdown] translates="16cb07c2229a"
# ## 調整しない場合
#
# 最初に行った、学習率を調整しない実験では、GC ありと GC なしを、どちらも同じ 1 つの学習率で比べました。訓練はすべて終わっていて、結果は[ノートブック 5](05_comparison.ipynb) で見ることができます。訓練に使わずに取り分けた評価用画像の背景は、訓練用画像と違って白です。

# %% tags=["hide-input"]
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
# 調整していない学習率では、ある群がほかの群よりよく見えることがあります。その群が、よくない学習率でもうまくいくからかもしれませんし、ステップが大きいからかもしれません。実験 A では、どの群でも 7 通りの学習率を試します。次の図が示すのは、調整に手間をかけると何が得られるかです。候補の学習率からいくつかをランダムに引き、それぞれで訓練し、いちばんよいものを採ります。これは調整に使った 5 個のシードの様子を示すもので、そこから GC について何かを主張することはありません。試す学習率が少ないときは、1 回の訓練で結果が決まってしまうことがあります。高い学習率で損失が極端に大きくなると、シードについての平均が大きく上がるからです。

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

# %% tags=["hide-input"]
each = [budget_figure.budget_finding(part) for _, part in expected.groupby("optimizer", sort=False)]
Markdown("\n".join("- " + text("{finding}.", finding=finding) for finding in each))

# %% [markdown] translates="0abd46079d94"
# 試したすべての学習率を合わせて、損失が極端に大きくなった訓練は何回あったのでしょうか。

# %% tags=["hide-input"]
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
# これだけでは少なすぎて、群どうしを比べることはできません。
#
# 訓練を長くしても、改善は続くのでしょうか。実験 A では、それぞれの群でいちばんよい学習率を使い、36 エポックの訓練も行いました。

# %% tags=["hide-input"]
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
outside = text("Not tested by a rule: held-out accuracy with GC, {said}.", said=text("; ").join(accuracies))
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

# %% [markdown] translates="cd0914bafeda"
# 短剣符（†）は、いちばんよい学習率の中に候補の端のものがある設定を示します。計画 B2 によれば、それより 1 段階低い 1e-4 は、どちらの群でも、もっと悪い結果になりました（[結果の README](../../gc_tutorial/study/results/README.md)、英語）。

# %% tags=["hide-input"]
say_results("B", {"speed": text("Speed, best against best"), "learning_rate": text("Is GC a larger step")})

# %% [markdown] translates="a36c58a1b779"
# ### どの学習率で比べるか
#
# 実験 B では、訓練損失で選ぶ学習率と、テスト損失で選ぶ学習率が違います。そこで、B の訓練で使った学習率のそれぞれについて、両方の群を同じ学習率で比べます。3.2e-4 での正解率と、1e-3 での RMSprop の速さは、規則による判定の結果です。残りは規則の対象外です。くわしくは[ノートブック 5](05_comparison.ipynb) で述べています。

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.same_rates import same_rates
from gc_tutorial.study.evidence.wording import rate

goals = found["B"]["speed"].table.set_index("optimizer")["goal"]
at_rates = same_rates(studies["B"].table, studies["B"].runs, goals)
said = (
    "- {optimizer}, both arms at {rate}: held-out accuracy with GC {accuracy}; training without GC needs {ratio:.2f} times as many epochs "
    "({ratio_low:.2f} to {ratio_high:.2f})."
)
lines = [
    text(
        said,
        optimizer=value_name("optimizer", row["optimizer"]),
        rate=rate(row["learning_rate"]),
        accuracy=amount(
            *(row[f"heldout_accuracy_{end}"] for end in ("difference", "t_low", "t_high")), "heldout_accuracy"
        ),
        **{name: row[name] for name in ("ratio", "ratio_low", "ratio_high")},
    )
    for row in at_rates.to_dict("records")
]
Markdown("\n".join(lines))

# %% [markdown] translates="3ff5a35ad350"
# 60 個の新しいシードのテスト損失で GC ありの学習率を選んでいたら、同じものが選ばれたでしょうか。GC ありのテスト損失の平均は、次のとおりです（規則の対象外）。

# %% tags=["hide-input"]
fresh = studies["B"].runs.query("stage == 'confirmation' and arm == 'gradient'")
chosen = found["B"]["heldout"].table.set_index("optimizer")["learning_rate"]
lines = []
for name, losses in fresh.groupby(["optimizer", "learning_rate"])["heldout_loss"].mean().groupby("optimizer"):
    losses = losses.droplevel("optimizer")
    each = [text("{loss:.2f} at {rate}", loss=loss, rate=rate(one)) for one, loss in losses.items()]
    values = {"optimizer": value_name("optimizer", name), "each": text("; ").join(each)}
    values |= {"chosen": rate(chosen[name]), "best": rate(losses.idxmin())}
    lines.append(
        text("- {optimizer}: {each}. The tuning chose {chosen}; the fresh seeds would choose {best}.", **values)
    )
Markdown("\n".join(lines))

# %% [markdown] translates="e19cccc984e8"
# ## ほかではどうか
#
# 実験 C では、GC を、写真（猫と犬、5 種類の花）、数字の画像、1 次元の信号（MNIST-1D）、バッチ正規化のあるネットワークとないネットワーク、小さなトランスフォーマー、重み減衰のある AdamW で試します。ファインチューニングも行います。まず猫と犬でネットワークを訓練し、それから、馬と人の画像 100 枚または 200 枚で訓練します。どの群も、3 個のシードでその群に合わせて調整した学習率と、新しい 10 個のシードを使います。シードがこれだけ少ないと、写真での正解率の区間は、幅が数ポイントになります。

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

# %% [markdown] translates="722e712061c9"
# どれだけ速くなるのでしょうか。次のセルは、設定ごとに、目標、GC なしで必要なエポック数が GC ありの何倍か、両方の群の学習率、目標に達しない訓練の割合を示します。

# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title The speeds of study C
from gc_tutorial.study.evidence.speed_rows import speed_rows

names = {
    "setting": text("setting"),
    "goal": text("goal (running loss)"),
    "factor": text("times as many epochs without GC (95% interval)"),
    "rate": text("rate with GC"),
    "rate_baseline": text("rate without"),
    "missed": text("miss the goal with GC"),
    "missed_baseline": text("miss the goal without"),
    "word": text("word"),
}
speed_rows(found["C"]["speed"]).rename(columns=names).set_index(names["setting"])

# %% [markdown] translates="c7501475619a"
# これらのネットワークの性能は、どれくらいなのでしょうか。写真では、1,000 枚の画像を使い、ゼロから 12 エポック訓練するだけなので、そのようなデータセットで達成できる水準には、とても届きません。数字の画像と MNIST-1D では、答えのほとんどが正しくなります。

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.result_rows import short_names

others = found["C"]["heldout"].table.query("data != 'horses_or_humans'")
lines = [
    text("- {name}: held-out accuracy {without:.0%} without GC, {gc:.0%} with it", name=name, without=without, gc=gc)
    for name, without, gc in zip(short_names(others), others["mean_baseline"], others["mean"])
]
guess = text("Guessing is right for 50% (cats and dogs), 20% (flowers) and 10% (digits, MNIST-1D).")
Markdown("\n".join(lines) + "\n\n" + guess)

# %% [markdown] translates="f763f7b908fa"
# 一般に成り立つのは何でしょうか。規則は、速さとテスト正解率についてそれを問い、主に調べる設定だけを対象とします。

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.synthesis import faster_in_general

asked = {"speed": text("Speed in general"), "heldout": text("Held-out accuracy in general")}
claims = {rule: general_claims(found["C"][rule]) for rule in asked}
claims["speed"] += faster_in_general(found["B"], found["C"])
lines = [text("- **{name}:** {said}", name=asked[rule], said=sentences(said)) for rule, said in claims.items()]
Markdown("\n".join(lines))

# %% [markdown] translates="35b3718bc710"
# 規則には含まれませんが、もっと厳しい確認を 1 つ加えます。どの設定でも、シードごとの訓練用データは同じデータから選ばれ、互いに重なっています。そのため、シードについての区間は、新しいデータについての区間としては狭すぎます。Nadeau と Bengio の補正（2003 年、*Machine Learning* 52）では、重なりのために小さく見積もられていた分を、分散に加えます。この確認をしても保たれる結果は、いくつあるでしょうか。

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.result_rows import kept_for_new_examples

kept = [
    text("- Study {letter}: {said}", letter=letter, said=kept_for_new_examples(found[letter][rule]))
    for letter in ("C", "B")
    for rule in ("training", "heldout")
]
Markdown("\n".join(kept))

# %% [markdown] translates="2085923e577b"
# 実験 C には問いがあと 2 つあり、どちらにも「差の差」で答えます。つまり、同じシードについて、ある設定での効果から、もう 1 つの設定での効果を引きます。バッチ正規化があると、効果は小さくなるのでしょうか。そして、GC は、重み減衰の代わりになるのでしょうか。バッチ正規化についての答えは、2 通りに測った訓練損失の結果が一致したときだけ、数に入れます。

# %% tags=["hide-input"]
say_results(
    "C",
    {
        "batch_normalization": text("Batch normalization, clean loss"),
        "batch_normalization_running": text("Batch normalization, running loss"),
        "weight_decay": text("Weight decay"),
    },
)

# %% [markdown] translates="c3c27137dfac"
# 馬と人の画像では、D と D2 でも、バッチ正規化を使う訓練を行いました。

# %% tags=["hide-input"]
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

# %% tags=["hide-input"]
from gc_tutorial.study.cost import cost_finding, cost_rows, measured_costs

costs = measured_costs()
Markdown(cost_finding(costs))

# %% [markdown] translates="9ea3d44214a4"
# 次の表は、訓練の 1 ステップの CPU 時間が、GC なしの何倍になるかを示しています。値は、2 コアの CPU 2 種類（うち 1 種類は PyTorch 用）で、バッチサイズを 32（TensorFlow）または 4（JAX、PyTorch）として測った、中央値と 95% 信頼区間です。この区間には、マシンによる違いは含まれません。PyTorch のトランスフォーマーのブロックでは、別の測定で、GC ありで 2.0%〜3.6%、更新量への GC で 4.9%〜5.5% 延びました。

# %%
cost_rows(costs)

# %% [markdown] translates="9282b8d62020"
# ## 害になる場合
#
# 計画した実験の規則から得られた結果のうち、GC が害になることを示すものを、すべて挙げます。

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.decisions import harms

Markdown("\n".join(f"- {sentence}" for sentence in harms(found)))

# %% [markdown] translates="6ea2ba313e2e"
# どの規則も対象としていない観察結果が、ほかに 2 つあります。公開例の設定での最後の数エポックと、実験 C のテスト**損失**です。

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.intervals import estimate

last = studies["E"].table.query("epoch > 37").groupby(["arm", "seed"])[["clean_loss", "shifted_accuracy"]].mean()
late = {outcome: estimate(last.loc["gradient", outcome] - last.loc["none", outcome]) for outcome in last}
late = {name: amount(one["difference"], one["t_low"], one["t_high"], name) for name, one in late.items()}
said = (
    "Not tested by a rule: study E, epochs 38 to 40, clean training loss {loss}, accuracy on the images on white "
    "{accuracy}."
)
Markdown(text(said, loss=late["clean_loss"], accuracy=late["shifted_accuracy"]))

# %% tags=["hide-input"]
losses = compare_pairs(best_pairs(studies["C"].runs, by="heldout_loss"), "heldout_loss", scale="log", corrected=False)
counts = {"lower": (losses["t_high"] < 0).sum(), "higher": (losses["t_low"] > 0).sum(), "count": len(losses)}
higher = [
    text("{name} {said}", name=name, said=amount(row.difference, row.t_low, row.t_high, row.outcome, scale="log"))
    for name, row in zip(short_names(losses), losses.itertuples())
    if row.t_low > 0
]
said = (
    "Not tested by a rule: study C, held-out loss. Its 95% interval lies above zero in {higher} of {count} settings ({settings}), and "
    "below zero in {lower}."
)
Markdown(text(said, settings=text("; ").join(higher), **counts))

# %% [markdown] translates="710a85b4c509"
# ## ほかの人の結果
#
# 以下に挙げる結果は、どれもこのチュートリアルで得たものではなく、追試もしていません。論文は、ImageNet と COCO、そして、もっと小さな細粒度分類（fine-grained）のデータセットでの改善を報告しています。第三者の報告も探しましたが（2026-11-24 と 2026-11-29 に検索）、見つかったものは、数が少なく、規模も小さく、ほとんどはシードを変えて繰り返していません。
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
# | ある利用者、2020-08-05、Ranger の [issue 39](https://github.com/lessw2020/Ranger-Deep-Learning-Optimizer/issues/39) | Ranger、データが何かは書かれていない。「さらに改善した」が、「訓練用データに過学習しやすくなった」 | 数値なし | 数値なし |
# | senpai プロジェクト、2026-04-04、[pull request 2114](https://github.com/wandb/senpai/pull/2114) | 翼のまわりの空気の流れ、Lion、2 つのシードの検証損失（低いほどよいので、GC ありのほうが悪い） | 0.388、0.392 | 0.460、0.422 |
# | 同じプロジェクト、2026-04-23、[pull request 3112](https://github.com/wandb/senpai/pull/3112) | 車のまわりの空気の流れ、相対誤差。GC なしの値は、このプロジェクトでいちばんよい訓練のもの（低いほどよいので、GC ありのほうが悪く、しかもあとで発散する） | 3.833% | 5.492% |
#
# senpai では、ほかにも 4 つの pull request（[276](https://github.com/wandb/senpai/pull/276)、[437](https://github.com/wandb/senpai/pull/437)、[1581](https://github.com/wandb/senpai/pull/1581)、[3034](https://github.com/wandb/senpai/pull/3034)）で GC が試されています。どれもマージされずに閉じられ、結果は確かめられませんでした。
#
# **Keras の例**は、GC を支持する証拠にも、否定する証拠にもなりません。最終更新日が 2023-07-25 の版が報告した損失は、GC なしで 0.5346、GC ありで 0.4014 です。どちらの訓練にも同じモデルを使い、2 回続けて訓練しています。しかも Keras 3 では、この例の GC はまったく実行されません。これをだれがいつ見つけたかは[ノートブック 4](04_gradient_centralization.ipynb) にまとめてあり、[ノートブック 5](05_comparison.ipynb) では、GC なしで同じような改善を再現しています。

# %% [markdown] translates="2cca67801b51"
# ## 判断のための表
#
# それぞれの場合に、GC は訓練損失を下げるでしょうか。テスト正解率を上げるでしょうか。どの答えも、次のセルが規則から計算します。実験 C に基づく行では、群ごとに調整した学習率を使っています。
#
# - **はい**は、測ったすべての設定で役に立つという意味です。
# - **示されていない**は、効果を示す設定が 1 つもなく、少なくとも 1 つの設定では結論が出ないという意味です。
# - **規則がない**は、それを問う規則がないという意味です。
#
# 表は、学習率をどうするかで分けた場合から始まり、ネットワーク、データ、訓練の長さで分けた場合が続きます。最後の 2 行は、このチュートリアルの画像についてのものです。

# %% tags=["hide-input"]
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

# %% tags=["hide-input"]
(adam,) = at_rates.query("optimizer == 'adam'").nsmallest(1, "learning_rate").to_dict("records")
loss = amount(*(adam[f"clean_loss_{end}"] for end in ("difference", "t_low", "t_high")), "clean_loss")
notes = [
    text(
        "¹ This row is about RMSprop and SGD. With Adam at {rate}, which study B chose without GC, the training loss with GC is {loss}; not tested by a rule.",
        rate=rate(adam["learning_rate"]),
        loss=loss,
    ),
    text("² The running training loss, because the clean one lags behind with batch normalization."),
    text(
        "³ The training loss at the rate that is best for it, and the accuracy at the rate that the held-out loss chooses."
    ),
]
Markdown("\n".join(f"- {note}" for note in notes))

# %% [markdown] translates="b401a7aeb75f"
# **やめる条件**は、結果を見る前に決めておきます。まず、GC ありと GC なしの両方で学習率を調整し、どちらも 10 個以上の新しいシードで訓練します。次に、GC なしとの差の 95% 信頼区間を見ます。GC を使い続けるのは、よくしたい指標の区間の全体がゼロよりよい側にあり、しかも、評価用データで測った指標の区間が、ゼロを含むか、ゼロよりよい側にあるときです。それ以外のときは、GC を使いません。では、シードが 10 個のとき、正解率のどれだけの低下なら、見逃さずに済むでしょうか。

# %% tags=["hide-input"]
from scipy import stats

spread = found["A"]["size"].table
freedom = spread["count"] - 1
deviation = 100 * ((spread["var"] * freedom).sum() / freedom.sum()) ** 0.5
half = stats.t.ppf(0.975, 10 - 1) * deviation / 10**0.5
said = (
    "In study A the paired differences in held-out accuracy have a standard deviation of {deviation:.1f} points. With ten seeds the interval "
    "reaches about {half:.0f} points to either side, so a smaller loss may stay hidden."
)
Markdown(text(said, deviation=deviation, half=half))

# %% [markdown] translates="603fc3bc0bf2"
# ここまでの答えはどれも、これらの実験のネットワークと画像についてのものです。大きなネットワーク、長い訓練、文章や表のデータでは測っていません。
#
# 勾配への GC と更新量への GC の、どちらを使えばよいでしょうか。新しいシードで得られた結果は、勾配への GC についてのものです。どちらがよいかは、分かっていません（[ノートブック 7](07_any_optimizer.ipynb)）。
#
# ## 同じ実験を自分の画像で
#
# 計画はテキストファイルです。次の計画では、群ごとに 3 通りの学習率を 5 個のシードで試し、次に、それぞれの群でいちばんよかった学習率で、10 個の新しいシードを使って訓練し、1 つの問いに答えます。いちばんよい学習率が、3 通りのうちでいちばん低いか、いちばん高いときは、学習率を 1 つ加えて、コマンドをもう一度実行します。`data` を `tfds:NAME` とすれば、[TensorFlow Datasets](https://www.tensorflow.org/datasets/catalog/overview) にある画像分類のデータセットをどれでも使えます。たとえば `tfds:beans` は、豆の葉の写真で、健康な葉と病気の葉があります。

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

# %% [markdown] translates="8cd26e6e33e4"
# これを `my_plan.toml` として保存し、コマンドを 1 つ実行します。複数のワーカーを使うには、追加の依存パッケージ `[study]` が必要です。`pip install distributed` でインストールできます。インストールしないときは、`--workers 2` を省きます。
#
# ```sh
# python -m gc_tutorial study my_plan.toml my_runs --workers 2
# ```
#
# 自分の画像を使うときは、フォルダ `my_pictures`（または `my_pictures.zip`）をフォルダ `pictures` に入れ、`data = "my_pictures"` と書き、コマンドに `--images pictures` を加えます。そのフォルダの構成は、[ノートブック 6](06_your_own_images.ipynb) で述べています。実験では、`train` と `test` への分割は無視されます。すべての画像を一緒にしてから、その 5 分の 1 を評価用に取り分けます。どの 5 分の 1 を取り分けるかは、シードごとに変わります。
#
# 終わった訓練はすべて保存されるので、途中で止まっても、同じコマンドで続きから再開できます。`--dry-run` は、訓練を一覧にするだけで、何も訓練しません。いくつかの訓練が終わっていれば、残り時間の見積もりも示します。`--scheduler` を加えると、訓練は Dask のクラスタで行われます。そのときのコマンドは [README](../../README.ja.md#実験を実行する)（英語）にあります。終わったら、次のようにすると、規則による判定の結果が表示されます。
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
# 自分のネットワークについて知りたいときは、自分のスクリプトの中で比べます。オプティマイザを `centralized(Optimizer)(..., centralize=mode)` と書き、モードには `None` と `"gradient"` を使います。シードごとに、`keras.utils.set_random_seed(seed)` を呼び、モデルを新しく作り、同じバッチで訓練します。これを、モードごとに 3 つ以上の学習率と、いくつかのシードで行います。次に、それぞれのモードでいちばんよかった学習率で、10 個以上の新しいシードを使って訓練し、対応のある差の平均を、その区間とともに報告します。
#
# データセットに同一の画像が何枚か含まれていても、それらが訓練用と評価用に分かれることはありません。本来は、1 本の映像から取ったコマのように、1 つのものを何度も写した画像も、訓練用と評価用に分かれてはいけません。しかし、どれがそのような画像なのかを、コマンドは判断できません。
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

# %% [markdown] translates="98fe4cee3e8f"
# ## このノートブックのまとめ
#
# - 計画した実験から、調整した学習率とほかのデータやネットワークについて、分かったことと、分からないままのことを見ました。
# - GC のコスト、GC が害になるという結果のすべて、そして、ほかの人の報告を日付とともに見ました。
# - 判断のための表は、規則から計算されます。また、1 つのコマンドで、同じ実験を自分の画像で実行できます。
#
# [1. 画像](01_data.ipynb) か [8. 何を変え、なぜ効くと考えられるのか](08_why_it_works.ipynb) に戻るとよいでしょう。[よくある質問](../../docs/faq.md)（英語）には、短い答えがあります。
