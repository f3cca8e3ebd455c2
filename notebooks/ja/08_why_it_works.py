# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] translates="674bfcefc9fb"
# # 8. 何を変え、なぜ効くと考えられるのか
#
# **勾配中心化（GC）が何を変えるのかを見ましょう。どの層でも、重みの勾配は、入力を中心化したときの勾配になり、層の出力は元のままです。そして、手法のどの部分が効果を生んでいるのかを、これまでに測られた範囲で読み取ります。**
#
# 所要時間は、CPU 2 コアで 1 分以内です。GPU は要りません。
#
# [Colab で開く](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/08_why_it_works.ipynb) · [Binder で開く](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/ja/08_why_it_works.ipynb) · [Kaggle で開く](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/08_why_it_works.ipynb) · [Codespaces で開く](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [nbviewer で読む](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/08_why_it_works.ipynb) · [English](../08_why_it_works.ipynb)
#
# このノートブックで行うこと
#
# - 逆伝播（backward pass）のときだけ入力を中心化する層を使って、素のオプティマイザで勾配中心化（GC）と同じ結果を得ます。
# - GC が勾配のどれだけを取り除くのかを層ごとに測り、偶然の場合と比べます。
# - 手法の一部分を取り去ると効果がどれだけ残るのか、アブレーションの結果を読みます。

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

# %% [markdown] translates="d84e90b889b1"
# ## まず結論から
#
# 実験 D では RMSprop を使い、手法を一度に 1 か所だけ変えて訓練しました。結果は次のとおりです。

# %%
from gc_tutorial import text
from gc_tutorial.language import sentences
from gc_tutorial.study.evidence.synthesis import parts_and_conditions, short_answer, synthesis
from gc_tutorial.study.published import published
from IPython.display import Markdown

studies = {"rmsprop": published("D_mechanism"), "sgd": published("D2_mechanism_sgd")}
found = {optimizer: study.findings() for optimizer, study in studies.items()}
Markdown(sentences(short_answer(found["rmsprop"], studies["rmsprop"].plan.rules)))

# %% [markdown] translates="8bda09a1bbba"
# なぜ効くのかは、まだ分かっていません。説明を検証するはずだった 2 つの条件が、公平な検証にならないことが分かったからです。以下では、くわしい結果と、SGD についての同じ実験を見ます。その前に、GC で勾配がどう変わるのかを見ましょう。

# %%
from gc_tutorial import load_data

data = load_data(settings.data, settings.image_size)

# %% [markdown] translates="e3125a552cab"
# ## 恒等式
#
# 全結合層を考えます。バッチの $n$ 番目のサンプルは、$M$ 個の数からなるベクトル $x_n$ として層に入ります。層の出力に戻ってくる誤差を $\delta_n$ とします。重みの勾配は、両者の積を足し合わせたものです。GC は、その列のそれぞれから、$M$ 個の入力についての平均を引きます。
#
# $$g = \sum_n x_n\,\delta_n^{\mathsf T}, \qquad
# \mathrm{GC}(g) = \sum_n \left(x_n - \bar x_n \mathbf 1\right)\delta_n^{\mathsf T}, \qquad
# \bar x_n = \frac{1}{M}\sum_{i=1}^{M} x_{ni}$$
#
# $\delta_n$ は入力の番号 $i$ によらないので、$g$ を入力について平均すると、$x_n$ だけが平均されます。つまり、**勾配から平均を取り除くことは、逆伝播のときにだけ、入力ベクトルをそれぞれ中心化することと同じです**。層の出力は変わりません。数値で確かめてみましょう。

# %%
import numpy as np

random = np.random.default_rng(0)
x, delta = random.uniform(size=(32, 100)), random.normal(size=(32, 4))

gradient = x.T @ delta
centralized_gradient = gradient - gradient.mean(axis=0)
with_centred_inputs = (x - x.mean(axis=1, keepdims=True)).T @ delta
difference = np.abs(centralized_gradient - with_centred_inputs).max()
print(text("largest difference: {difference:.0e}", difference=difference))

# %% [markdown] translates="6061f6d41b18"
# どの平均なのかに注意してください。ここで引くのは、**1 つ**のサンプルの中で、すべての入力についてとった平均で、たとえば画像の明るさです。バッチ正規化や、普通の標準化（standardization）で引くのは別の平均で、1 つの**特徴**について、全サンプルでとった平均です。
#
# 入力が中心化されているとネットワークが速く学習することは、昔から知られています。[Schraudolph (1998)](https://doi.org/10.1007/3-540-49430-8_11) は、勾配のすべての因子を中心化することを提案しています。そこで引く平均も、1 つの特徴について、全サンプルでとった平均です。
#
# ## GC のオプティマイザを使わない GC
#
# この恒等式（identity）が成り立つなら、オプティマイザのすることは、層にもできるはずです。次の層は、出力にゼロを足します。このゼロは 2 つの等しい和の差ですが、その一方を `stop_gradient` で逆伝播から隠すので、重みの勾配からは、ちょうどその平均がなくなります。

# %%
import keras
from keras import layers, ops


class CentredDense(layers.Dense):
    """A dense layer whose weights see centred inputs in the backward pass. Its outputs are those of `Dense`."""

    def call(self, inputs):
        mean = ops.mean(inputs, axis=-1, keepdims=True)
        total = ops.sum(self.kernel, axis=0)
        return super().call(inputs) + mean * (ops.stop_gradient(total) - total)


# %% [markdown] translates="522197eb63da"
# では、同じ小さなネットワークを、同じ重みから、同じ画像を同じ順序で使って、3 回訓練しましょう。GC なし、`GCRMSprop`、そして素の RMSprop と上の層の組み合わせです。

# %%
images = data.train_images[:256, ::4, ::4].astype("float32") / 255
labels = np.asarray(data.train_labels[:256], "float32")


def trained_weights(dense, optimizer):
    """The weights of a small dense network after three epochs from seed 0."""
    keras.utils.set_random_seed(0)
    hidden = [dense(64), layers.ReLU(), dense(1), layers.Activation("sigmoid")]
    model = keras.Sequential([keras.Input(images.shape[1:]), layers.Flatten(), *hidden])
    model.compile(optimizer, "binary_crossentropy")
    model.fit(images, labels, batch_size=32, epochs=3, shuffle=False, verbose=0)
    return model.get_weights()


# %%
from gc_tutorial import GCRMSprop

plain = trained_weights(layers.Dense, keras.optimizers.RMSprop(1e-4))
with_gc = trained_weights(layers.Dense, GCRMSprop(1e-4))
centred = trained_weights(CentredDense, keras.optimizers.RMSprop(1e-4))


# %%
def largest_difference(first, second):
    return max(np.abs(a - b).max() for a, b in zip(first, second))


apart, same = largest_difference(with_gc, plain), largest_difference(with_gc, centred)
equal, other = text("the same, up to rounding."), text("not the same here, so something else differs, too.")
Markdown(
    text(
        "After three epochs the weights with GC differ from those without it by up to **{apart:.0e}**. Plain RMSprop with centred "
        "inputs in the backward pass ends within **{same:.0e}** of `GCRMSprop`: {found}",
        apart=apart,
        same=same,
        found=equal if same < 0.01 * apart else other,
    )
)

# %% [markdown] translates="9f47c476a7d3"
# このように、GC には 2 通りの書き方があります。勾配を変えるものとして書くことも、逆伝播のときに中心化された入力が渡される層として書くこともできます。下の練習問題では、畳み込みで同じことを行います。
#
# ## 勾配のどれだけを取り除くのか
#
# 1 つのユニットの勾配はベクトルです。GC は、そのうち、すべての成分が 1 のベクトルの方向（以下、「平均の方向」と呼びます）の成分を取り除きます。ランダムな向きのベクトルなら、その成分は平均すると、長さの二乗の $1/M$ を占めます。$M$ は、ユニットの重みの個数です。これを**偶然の割合**（chance）と呼びます。しかし、ネットワークの勾配の向きがランダムだとは考えにくく、その理由は 2 つあります。まず、$[0, 1]$ の画素の値も、ReLU の出力も、負にはならないので、ユニットの入力はすべて同じ符号をもちます。また、隣り合う画素の値は、暗いところでも明るいところでも、ほぼ等しくなります。どちらの理由からも、入力の平均は、入力のばらつきに比べて大きくなります。
#
# GC が取り除く成分の割合を、1 つのバッチで、重みが初期値のときに測ります。入力（画素の値）が $[0, 1]$ の場合と $[-1, 1]$ の場合を調べます。学習率 1 の SGD は、1 ステップで勾配そのものを引くので、Keras で勾配を得る簡単な方法になります。
#
# 表の値は、勾配の長さの二乗のうち、平均の方向の成分が占める割合です。

# %%
from gc_tutorial.study.networks import build_network


def removed_shares(scaling):
    """For each kernel, the share of the squared gradient norm that lies along the mean; one batch, initial weights."""
    keras.utils.set_random_seed(0)
    model = build_network("cnn", data.train_images.shape[1:], 2, scaling)
    model.compile(keras.optimizers.SGD(1.0), "binary_crossentropy")
    before = model.get_weights()
    model.train_on_batch(data.train_images[:64], data.train_labels[:64])
    gradients = [old - new for old, new in zip(before, model.get_weights()) if old.ndim > 1]
    return [
        g[..., 0].size * np.square(g.mean(axis=tuple(range(g.ndim - 1)))).sum() / np.square(g).sum() for g in gradients
    ]


# %%
import pandas as pd
from gc_tutorial.study.evidence.names import value_name

LAYERS = [text("conv {number}", number=number) for number in range(1, 6)] + [text("dense 1"), text("dense 2")]
inputs = {value_name("scaling", one): one for one in ("0..1", "-1..1")}
live = pd.DataFrame({name: removed_shares(scaling) for name, scaling in inputs.items()}, index=LAYERS)
live.map("{:.0%}".format)

# %%
first = live.loc[LAYERS[0]]
Markdown(
    text(
        "In this one batch GC would remove {raw:.0%} of the first layer's squared gradient norm with inputs [0, 1], and "
        "{centred:.0%} with inputs [-1, 1]. Chance is {chance:.1%}: a first filter has 3 × 3 × 3 weights.",
        raw=first.iloc[0],
        centred=first.iloc[1],
        chance=1 / 27,
    )
)

# %% [markdown] translates="fa584095bf63"
# 訓練の初めの 1 つのバッチからは、訓練全体のことはほとんど分かりません。計画した実験では、GC が取り除く割合をすべてのステップで測りました。図は、実験 A の GC なしの訓練（5 個のシード、12 エポック）での、その割合です。どのオプティマイザも、いちばんよい学習率を使っています。
#
# 次の出力は、実験 A がどこまで進んだかを示します。
#
# 図の縦軸は対数目盛りで、灰色の線は偶然の割合です。

# %%
from gc_tutorial.study.evidence import removed, removed_figure
from gc_tutorial.study.evidence.tuning import tuned_rates

tuning = published("A_tuning")
print(tuning.progress)
short = tuning.runs[tuning.runs["epochs"] == 12]
best = tuned_rates(short, "clean_loss")[["optimizer", "arm", "learning_rate"]]
shares = removed.removed_shares(short.merge(best))

# %% tags=["hide-input"]
from gc_tutorial.plotting import show

show(removed_figure.shares(shares, LAYERS), alt=removed_figure.removed_alt(shares, LAYERS))

# %%
rest = shares[shares["layer"] > 1]
more = "So in every layer GC removes more than expected by chance, and in no layer the whole gradient."
not_less = "So in every layer GC removes no less than expected by chance, and in no layer the whole gradient."
lines = [
    text("Points are means over runs, bars are 95% intervals of the geometric mean."),
    text("{finding}.", finding=removed_figure.removed_finding(shares, prose=True)),
    text(more) if rest["times_low"].min() > 1 else text(not_less),
    text("This describes what GC removes. It does not show that removing it helps."),
]
Markdown(sentences(lines))

# %% [markdown] translates="6ba920d0c389"
# ## 何が効果を生んでいるのか
#
# これを調べるのが実験 D の**アブレーション**、つまり、手法の一部分だけを変えて、ほかはすべてそのままにした訓練です。学習率は、GC **なし**のときにいちばんよいものを使います。比べるのは、訓練の最後に、ドロップアウトもデータ拡張もなしで測った訓練損失です。これを「訓練損失（ドロップアウトなし）」（clean training loss）と呼びます。実験 D では RMSprop で訓練し、実験 D2 では SGD で同じことを行います。
#
# 数値から判定の言葉を決める規則は、[計画](../../gc_tutorial/study/plans)（英語）にあります。D の規則は、あとで述べる 1 つを除いて、訓練より前にコミットしてあります。D2 の規則も訓練より前にコミットしましたが、そのコミットは、マシンの故障で失われました。記録で確かめることはできず、このチュートリアルの著者の言葉を信じていただくほかありません（[日付](../../gc_tutorial/study/results/README.md)、英語）。
#
# 検証するのは、**共通のずれ**（common shift）という説明です。ユニットの入力がすべて同じ符号をもつので、そのすべての重みに共通の勾配が生じ、それを GC が取り除く、というものです。この説明が正しければ、入力がすでに中心化されているところでは、効果は小さくなるはずです。また、平均の代わりにランダムな向きを取り除いても、効果はないはずです。
#
# 次の出力は、それぞれの実験がどこまで進んだかを示します。

# %%
from gc_tutorial.study.evidence.mechanism_rows import mechanism_rows

for study in studies.values():
    print(study.progress)

# %% [markdown] translates="37622f1b49ba"
# 表の行は、それぞれ 1 つの問いです。列は、問い、そのために何を訓練したか、GC の効果のどれだけが得られたか、規則による判定です。効果とは、同じシードの GC なしと GC ありについて、訓練損失の自然対数の差をとったものです。効果が 0.69 なら、損失は半分になります。その半分の 0.35 なら、損失は 29% 低くなります。
#
# 100% とするのは、GC そのものの効果です。最後の 3 行では、その行のために調整した学習率を使ったときの、素の CNN での GC の効果がこれに当たります。割合が負なら、損失は GC なしより高くなっています。区間は 95% 信頼区間です。

# %%
names = {
    "question": text("question"),
    "trained": text("what was trained"),
    "share": text("share of GC's effect"),
    "reading": text("reading"),
}
pd.set_option("display.max_colwidth", None)  # whole sentences
rows = mechanism_rows(found["rmsprop"], studies["rmsprop"].plan.rules).rename(columns=names)
rows.set_index(names["question"])

# %% [markdown] translates="cb59cd3a5a79"
# - **群**（arm）は、比べる方法の 1 つ 1 つです。「平均の半分」と「平均の 2 倍」は、平均の 0.5 倍と 2 倍を引きます。「ランダムな向き」は、平均の代わりに、決まった 1 つのランダムな向きの成分を取り除きます。「最初の層だけ」「畳み込み層だけ」「全結合層だけ」「エポック 1〜2 だけ」では、その層やエポックでだけ GC を使います。訓練が発散した（diverged）ネットワークは、でたらめに答えるものとみなし、損失を 0.69 とします。
# - 判定の「効果のすべて」「効果の大部分」「効果の半分未満」「効果なし」は、割合の区間の全体が、それぞれ 80% より上、50% より上、50% より下、20% より下にあるという意味です。そのどれでもなければ、規則の判定は「結論が出ない」です。「害になる」という判定には、群の数に応じた補正をしても結果が保たれることも必要です。「変化は示されていない」とは、変化の区間がゼロを含むか、補正をすると結果が保たれないという意味です。
# - GC を使うと、勾配は短くなります。「GC（長さは元のまま）」の群では、それを元の長さまで引き延ばします。
# - 「GC なし（学習率 1.7 倍）」の倍率は、それ以前の訓練の曲線を見て決めたものです。高い学習率を 1 つ試しただけでは、高い学習率のすべてについて何かを言うことはできません。群ごとに調整した学習率を使う実験 B でも、規則による判定では、GC は、ステップを大きくしただけのものではありません。
# - 最後の 3 行は、入力 $[-1, 1]$（画素の値）、バッチ正規化、最初のエポックでのウォームアップです。ここでは、GC なしと GC ありのそれぞれに、別のシードで調整した学習率を使います。
#
# 次の図に描いたのも、同じ群です。棒の右端が色の付いた帯より左にある群は、GC ほどの効果がありません。中が白いひし形は、無視してください。バッチ正規化を使うと、訓練損失（ドロップアウトなし）があてにならないからです（あとで説明します）。図の次の出力では、代わりに「訓練中に測った訓練損失」（running loss）、つまり訓練のステップそのものでの損失を使います。

# %% tags=["hide-input"]
from gc_tutorial.study.evidence import effects, mechanism_figure


def draw_effects(study):
    """The figure of a study of the mechanism."""
    factor = study.plan.rules["larger_step"]["factor"]
    arms, conditions = effects.split_settings(effects.ablations(study.runs, faster=factor))
    figure = mechanism_figure.mechanism(arms, conditions)
    show(figure, alt=mechanism_figure.mechanism_alt(arms, conditions))


draw_effects(studies["rmsprop"])

# %% tags=["hide-input"]
Markdown("\n".join(f"- {said}" for said in parts_and_conditions(found["rmsprop"], studies["rmsprop"].plan.rules)))

# %% tags=["hide-input"]
table = found["rmsprop"]["removed"].table
table = table[table["schedule"] == "constant"]
usual = table[(table["network"] == "cnn") & (table["scaling"] == "0..1")]
said = (
    "Read the random direction with care. Of a layer's squared gradient norm one random direction holds on average only its part by chance, here "
    "{least:.2%} to {most:.1%}, and the mean holds {low:.0%} to {high:.0%}. So removing a random direction removes almost nothing, and that it "
    "does little was nearly certain, whatever the cause."
)
chance = {"least": usual["chance"].min(), "most": usual["chance"].max()}
Markdown(text(said, low=usual["share"].min(), high=usual["share"].max(), **chance))

# %% [markdown] translates="0f43ee8ebb5c"
# では、平均の代わりに、同じ大きさのほかの成分を取り除いても、同じだけ役に立つのでしょうか。そうではないと言える根拠は、「GC（長さは元のまま）」と「GC なし（学習率 1.7 倍）」だけで、それも、ステップの長さの違いでは説明できないと言えるにとどまります。公平に比べるには、別の向きの、同じ割合を占める成分を取り除く必要がありますが、その訓練は行っていません。
#
# 次に、モーメンタム 0.9 の **SGD** で、同じ問いを調べます。どの群（丸）の学習率も、実験 A で GC なしのときにいちばんよかった 0.032 です。条件（ひし形）では、D2 で調整した学習率を使います。その中には、候補の端にあるものもあります。丸の結果は慎重に読んでください。0.032 では、GC なしの訓練で、学習がまだほとんど始まっていません。学習率を 1.7 倍にしても、それが役に立つ見込みはほとんどなかったのです。

# %%
sgd_rows = mechanism_rows(found["sgd"], studies["sgd"].plan.rules, "sgd").rename(columns=names)
sgd_rows.set_index(names["question"])

# %% tags=["hide-input"]
draw_effects(studies["sgd"])

# %% tags=["hide-input"]
rules = studies["sgd"].plan.rules
Markdown("\n".join(f"- {said}" for said in parts_and_conditions(found["sgd"], rules, "sgd")))

# %% [markdown] translates="cdd8cb239a35"
# 入力を $[-1, 1]$ にしたり、バッチ正規化を使ったりすると、GC が取り除くものは減るのでしょうか。図は、実験 D の、RMSprop を使った GC なしの訓練での割合です。素の CNN と、この 2 つの条件のそれぞれを示します。測り方は、実験 A の図と同じです。


# %%
def removed_with(network, scaling):
    """What GC would remove in the first layer, and in the four convolutions behind it."""
    rows = table[(table["network"] == network) & (table["scaling"] == scaling)].set_index("layer")["share"]
    return {"first": rows[1], "low": rows.loc[2:5].min(), "high": rows.loc[2:5].max()}


removed_by = {name: removed_with("cnn", one) for name, one in inputs.items()}
removed_by[value_name("network", "cnn_bn")] = removed_with("cnn_bn", "0..1")

# %% tags=["hide-input"]
raw, centred, normalized = (one["first"] for one in removed_by.values())
title = text(
    "First layer: GC would remove {raw:.0%} of the squared gradient norm; {centred:.0%} with inputs [-1, 1], "
    "{normalized:.0%} with batch norm (RMSprop)",
    raw=raw,
    centred=centred,
    normalized=normalized,
)
show(removed_figure.shares(table, LAYERS, title=title), alt=removed_figure.removed_alt(table, LAYERS))

# %%
said = "{name}: GC would remove {first:.0%} of the first layer's squared gradient norm, and {low:.0%} to {high:.0%} in convolutions 2 to 5."
for name, shares_by_layer in removed_by.items():
    print(text(said, name=name, **shares_by_layer))

# %% [markdown] translates="2fb5d38c28ab"
# 入力を $[-1, 1]$ にしても、割合がゼロになるわけではありません。3 × 3 の窓の中の画素は、ほぼ同じ明るさであることがよくあります。そのような窓の 27 個の数は、明るくても暗くても、ほぼ等しい値です。平均を引けば、ほとんど何も残りません。値の範囲を変えても、すべての画素が同じように変わるだけなので、このことは変わりません。

# %% [markdown] translates="3ad9d5a05dcf"
# ## 共通のずれなのか
#
# 計画した検証は、どちらも公平なものではないと分かりました。そのため、規則がどう判定しても、ここではこの問いを未解決のままにします。ある条件でこの説明を検証できるのは、その条件で共通のずれが実際に取り除かれる場合だけです。上の出力によれば、次のようになります。
#
# - **入力が $[-1, 1]$ の条件**では、GC が取り除くものは、最初の層ではほとんど減らず、2〜5 番目の畳み込み層ではかえって増えます。ですから、共通のずれの検証にはなりません。
# - **バッチ正規化を使う条件**では、GC が取り除くものは、2〜5 番目の畳み込み層ではずっと少なくなりますが、最初の層ではそうではありません。しかも、規則のよりどころである訓練損失（ドロップアウトなし）が、あてになりません。ですから、部分的な検証にしかなりません。
#
# このことを前もって問う規則は、入力が $[-1, 1]$ のときの最初の層についてのものだけで、その層の割合が元の半分より小さくなるはずだとしています。ほかの層と、バッチ正規化については、結果が出たあとで調べました（規則の対象外）。訓練損失（ドロップアウトなし）があてにならないことは、次の出力から分かります。

# %%
runs = studies["rmsprop"].runs
guess = np.log(2)
normalized = runs[(runs["network"] == "cnn_bn") & (runs["arm"] == "none") & (runs["stage"] == "confirmation")]
said = (
    "Batch normalization without GC, mean over {seeds} seeds: clean training loss {clean:.2f}, running training loss "
    "{running:.2f}. Guessing gives {guess:.2f}."
)
means = {"clean": normalized["clean_loss"].mean(), "running": normalized["train_loss"].mean()}
print(text(said, seeds=len(normalized), guess=guess, **means))

# %% [markdown] translates="b892addf75fb"
# 訓練のステップでは、バッチ正規化は、そのバッチの平均と分散を使います。訓練中に測った訓練損失も、そうして得た値です。一方、訓練損失（ドロップアウトなし）を測るときに使うのは、それらを過去のバッチにわたって平均した値です。重みが速く変わると、この値は遅れてついてくるので、訓練損失（ドロップアウトなし）は、その遅れまで測ることになります。
#
# 共通のずれについての規則は、D の訓練より前にコミットしたもので、訓練損失（ドロップアウトなし）を使います。短く言えば、この説明が支持されるのは、入力の中心化かバッチ正規化によって GC の効果が半分以下になり、しかも、ランダムな向きで得られる効果が、GC の効果の 10 分の 1 に満たないときです。この測り方がバッチ正規化に向いていないと分かったのは、D が終わったあとです。そこで、2 つ目の規則では、訓練中に測った訓練損失について同じことを問います。この規則を書いたのは、D については、結果が分かったあとです。D2 については、まだ結果を 1 つも見ていないときでしたが、これも、このチュートリアルの著者の言葉を信じていただくほかありません。
#
# 次のセルに、規則の全文があります。そこで「この説明」（the account）と呼んでいるのが、共通のずれです。

# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title The rule on the common shift
Markdown("> " + text(" ".join(studies["rmsprop"].plan.rules["common_shift"]["text"].split())))

# %% [markdown] translates="aebcccdb42dc"
# ## 全体として何が言えるか
#
# 規則の言葉でまとめます。先に RMSprop（D）、次に SGD（D2）を示します。

# %%
lines = []
for optimizer, study in studies.items():
    letter = study.plan.name.split("_")[0]
    said = synthesis(found[optimizer], study.plan.rules, optimizer)
    lines.append(f"- **{letter}:** " + sentences(said))
Markdown("\n".join(lines))

# %%
asked = {
    "common_shift": text("Common shift, clean loss"),
    "common_shift_running": text("Common shift, running loss"),
    "larger_step": text("Is GC a larger step"),
    "warmup": text("Does it protect the first steps"),
}
lines = []
for rule, question in asked.items():
    for optimizer, study in studies.items():
        title = text("{question}, study {plan}:", question=question, plan=study.plan.name.split("_")[0])
        lines.append(found[optimizer][rule].bullets(title))
Markdown("\n".join(lines))

# %% [markdown] translates="8fd1d3cdb136"
# では、GC を部分に分けずにそのまま使うと、テスト正解率（訓練に使わない画像での正解率）はどう変わるのでしょうか。テスト正解率は副次的な指標です。計画では、その符号と区間を示すだけで、何も主張しません。実験 B には、テスト正解率を問う規則があります。そこでの答えは、学習率によって変わります（[ノートブック 5](05_comparison.ipynb)）。

# %%
from gc_tutorial.study.evidence.synthesis import at_one_rate

Markdown("\n".join(f"- {said}" for optimizer in studies for said in at_one_rate(found[optimizer], optimizer)))

# %% [markdown] translates="ec8f3df053d2"
# ## ここからは言えないこと
#
# - これは **1 つのデータセットと 1 つのネットワーク**（素の CNN）での結果です。ほかで何が成り立つかは、[ノートブック 9](09_should_you_use_it.ipynb) で調べます。
# - 比べたのは**訓練損失**です。訓練用画像に速く適合するからといって、新しい画像での結果がよくなるとは限りません。
# - 恒等式は厳密に成り立ちますが、それで説明が証明されるわけではありません。GC が入力の中心化と等しいからといって、損失が速く下がるのは入力の中心化のためだ、とは言えません。それを支持したり否定したりできるのは、アブレーションだけです。
#
# ## 練習問題
#
# `CentredConv2D` を書いてください。`CentredDense` が入力に対して行うことを、窓に対して行う畳み込みです。今度は、何についての平均になるでしょうか。SGD の 1 ステップで、勾配から平均がなくなったことを確かめてください。
#
# 次のセルが解答例です。折りたたんであるので、まず自分で解いてから開いてください。


# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title Solution
class CentredConv2D(layers.Conv2D):
    """The mean is over the window and its channels, which a convolution with equal weights computes."""

    def call(self, inputs):
        window = np.ones((*self.kernel_size, inputs.shape[-1], 1), "float32")
        mean = ops.conv(inputs, window / window.size, self.strides, self.padding)
        total = ops.sum(self.kernel, axis=(0, 1, 2))
        return super().call(inputs) + mean * (ops.stop_gradient(total) - total)


def step(convolution):
    keras.utils.set_random_seed(0)
    head = [layers.GlobalMaxPooling2D(), layers.Dense(1, activation="sigmoid")]
    model = keras.Sequential([keras.Input(images.shape[1:]), convolution(8, 3), *head])
    model.compile(keras.optimizers.SGD(1.0), "binary_crossentropy")
    before = model.get_weights()[0]
    model.train_on_batch(images[:32], labels[:32])
    return before - model.get_weights()[0]


gradient, centred_gradient = step(layers.Conv2D), step(CentredConv2D)
expected = gradient - gradient.mean(axis=(0, 1, 2))
difference = np.abs(centred_gradient - expected).max()
print(
    text(
        "Answer: a filter sees a window of all channels, so the mean is over both. The gradient with `CentredConv2D` differs from the\n"
        "centralized one by at most {difference:.0e}, where its largest number is {largest:.0e}. Dropout and the activation\n"
        "must come after the sum: give the layer no `activation`, and put a `ReLU` layer behind it.",
        difference=difference,
        largest=np.abs(expected).max(),
    )
)

# %% [markdown] translates="4c6ea032de79"
# ## このノートブックのまとめ
#
# - GC は、逆伝播のときに各層の入力を中心化することと同じです。素のオプティマイザと、ゼロを足す層から、同じ重みが得られます。
# - GC なしの訓練では、最初の層の勾配の長さの二乗のうち、平均の方向の成分が 95%〜96% を占めます。ほかの層では、その割合は偶然の割合のおよそ 9〜200 倍です。
# - アブレーションから、GC のどの部分が効果を生み、どの部分が生んでいないのかが、RMSprop と SGD について分かります。平均を取り除くことがなぜ役に立つのかは、未解決です。共通のずれという説明を検証するはずだった条件は、公平な検証にならないことが分かりました。
#
# 次は [9. 使うべきか](09_should_you_use_it.ipynb) です。ほかのデータとネットワーク、コスト、そして判断のための表を見ます。
