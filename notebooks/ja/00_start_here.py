# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] translates="b4f668c82eff"
# # 0. まずはここから
#
# **勾配中心化（Gradient Centralization、GC）とはどんな手法か、Keras では約 10 行でどう書くか、本当に実行されていることをどう確かめるか、使うとどうなると分かっているか。その要点を 5 分でつかみましょう。**
#
# 実行にかかる時間は、`standard` プロファイルなら、CPU 2 コアで 25 秒ほどです。GPU は要りません。
#
# [Colab で開く](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/00_start_here.ipynb) · [Binder で開く](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/ja/00_start_here.ipynb) · [Kaggle で開く](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/00_start_here.ipynb) · [Codespaces で開く](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [nbviewer で読む](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/00_start_here.ipynb) · [English](../00_start_here.ipynb)
#
# このノートブックで行うこと
#
# - GC が訓練のステップをどう変えるかを、1 枚の図で見ます。
# - GC を組み込んだ Keras のオプティマイザを書き、それが実行されることを証明します。
# - GC で訓練がどう変わるかを見て、次にどこへ進むかを選びます。

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

# %% [markdown] translates="9e90f92e223d"
# ## 1 枚の図
#
# 訓練では、ネットワークの重み（weight）を、**勾配**（gradient）の逆向きに少しずつ動かしていきます。勾配とは、損失（loss）がいちばん急に増える方向です。ここで、1 つのユニットの重みを並べたものを、**重みベクトル**（weight vector）と呼びます。GC が変えるのは 1 か所だけで、この重みベクトルごとに、勾配からその平均を引きます（[Yong et al. 2020](https://arxiv.org/abs/2004.01461) の式 1）。重みベクトルに含まれる重みの数を $M$ とすると、$\mathrm{GC}(g) = g - \frac{1}{M}\sum_{i=1}^{M} g_i$ です。
#
# 次のセルは、元の勾配と中心化した勾配を、それぞれの平均とともに出力します。

# %%
import numpy as np
from gc_tutorial import text

weights = np.array([0.2, 0.8])
gradient = np.array([-1.125, -0.125])
centralized = gradient - gradient.mean()
print(text("gradient {values} has the mean {mean}", values=gradient, mean=gradient.mean()))
print(text("centralized {values} has the mean {mean}", values=centralized, mean=centralized.mean()))

# %% [markdown] translates="f79df091fa73"
# 重みが 2 つなら、GC あり・なしのステップを図に描けます。

# %% tags=["hide-input"]
from gc_tutorial.pictures import projected_step
from gc_tutorial.plotting import show

show(
    projected_step(weights, gradient, centralized, title="GC keeps the sum of the weights"),
    alt="Two arrows from one point. The step with GC follows the dashed line of constant sum; a perpendicular joins the ends of both.",
)

# %% [markdown] translates="368570804907"
# 破線の上では、重みの和がどこでも同じです。GC を使うことは、ステップの先端からこの破線に垂線を下ろすことに当たります。つまり、ステップのうち破線に沿った成分を残し、それ以外を取り除きます。重みがもっと多いユニットでは、この直線が（超）平面になります。
#
# ## 約 10 行で書く GC
#
# バックエンドが TensorFlow、JAX、PyTorch のどれであっても、Keras のオプティマイザは `apply` という 1 つのメソッドで勾配を受け取ります。そこで、このメソッドの中で中心化します。層の重みをまとめた配列を、**カーネル**と呼びます。カーネルの最後の軸はユニットに対応するので、平均は残りの軸にわたってとります。バイアスには手を付けません。ユニットごとに 1 つしかないので、勾配から平均を引くとゼロになり、バイアスがいつまでも更新されないからです。全結合層とふつうの畳み込み層では、これで正しく中心化できます。ほかの層には、ユニットに対応する軸が最後ではないものもあります。[ノートブック 7](07_any_optimizer.ipynb) の既製のクラスなら、そうした層でも正しい軸を選びます。

# %%
import keras
from keras import ops


def centralize(gradient):
    """Subtract the mean from the gradient of each weight vector."""
    if gradient is None or len(gradient.shape) < 2:
        return gradient
    return gradient - ops.mean(gradient, axis=list(range(len(gradient.shape) - 1)), keepdims=True)


class GCSGD(keras.optimizers.SGD):
    """Stochastic gradient descent with gradient centralization."""

    def apply(self, grads, trainable_variables=None):
        return super().apply([centralize(gradient) for gradient in grads], trainable_variables)


# %% [markdown] translates="bf5ce0385456"
# バックエンドが PyTorch のとき、Keras のオプティマイザには、更新の計算を 1 つにまとめた（fused）高速な実装があります。自分で書いたクラスでは、それが使われません。[測定](../../gc_tutorial/study/results/README.md#speed)（英語）では、Adam を継承しただけで何も加えていないクラスでも、トランスフォーマーのブロックの訓練 1 ステップにかかる時間が 20% 延びました。`gc_tutorial` の既製のクラスなら、高速な実装がそのまま使われます（[よくある質問](../../docs/faq.md)、英語）。
#
# Keras がまったく呼ばないメソッドを上書きしてしまっても、訓練は何の警告もなく進みます。公開されているコードで実際にそうなることを、[ノートブック 4](04_gradient_centralization.ipynb) で示します。ですから、実行されていることを確かめる方法が要ります。
#
# ## 実行されていることの証明
#
# SGD（確率的勾配降下法）は、重みに勾配の定数倍を足していくだけです。そして GC を使えば、重みベクトルごとの勾配の平均は、どれもゼロです。したがって、**どの重みベクトルの平均も一定のまま**です。同じネットワークを、GC ありと GC なしで 1 回ずつ訓練します。どちらも、同じ重みから始め、同じ画像を同じ順序で使います。そして、最初の層にある 16 個の重みベクトルの平均を、ステップごとに記録します。

# %%
from gc_tutorial import build_cnn, load_data, training_batches

data = load_data(settings.data, image_size=94)  # the proof needs no larger images


def first_layer_means(optimizer):
    """The means of the first layer's weight vectors, before training and after each of 32 steps."""
    keras.utils.set_random_seed(0)
    model = build_cnn(94)
    model.compile(optimizer, "binary_crossentropy")
    kernel = model.trainable_variables[0]
    means = [ops.mean(kernel, axis=(0, 1, 2))]
    images, labels = data.train_images[:512], data.train_labels[:512]
    for batch in training_batches(images, labels, batch_size=16, seed=0):
        model.train_on_batch(*batch)
        means.append(ops.mean(kernel, axis=(0, 1, 2)))
    return np.array([ops.convert_to_numpy(one) for one in means])


# %%
paths = {
    "none": first_layer_means(keras.optimizers.SGD(0.01, momentum=0.9)),
    "gradient": first_layer_means(GCSGD(0.01, momentum=0.9)),
}
largest = {arm: np.abs(means - means[0]).max() for arm, means in paths.items()}
print(text("largest shift of a mean: {none:.1e} without GC, {gradient:.1e} with GC", **largest))

# %% tags=["hide-input"]
from gc_tutorial.pictures import mean_paths

title = text("Means of 16 weight vectors: the largest shift with GC is {gradient:.1e}", **largest)
show(
    mean_paths(paths, title=title),
    alt="Shift of the mean of each weight vector by training step: lines that spread without GC, and flat lines with GC.",
)

# %% [markdown] translates="b2ca69c62a29"
# GC ありでもわずかに残っているずれは、丸め誤差です。コールバックの `gc_tutorial.WeightMeanDrift` を使うと、どんなモデルでも、すべての層にわたってこのずれを測れます。
#
# ## 訓練はどう変わるか
#
# GC でネットワークがよくなるかどうかは、別の問題です。答えは、ステップの大きさを決める係数、つまり**学習率**によって変わるかもしれません。そこで、このチュートリアルの実験（study）では、まず、どの方法でもいくつかの学習率を試します（[ノートブック 5](05_comparison.ipynb)）。それから、方法ごとにいちばんよい学習率で、新しい**シード**を使って訓練します。シードによって、重みの初期値、データの順序、そして、訓練に使わずに**評価用**（held-out）に取り分けるデータが決まります。評価用のデータでの正解率と損失を、このチュートリアルでは**テスト正解率**、**テスト損失**と呼びます。
#
# 次の 2 つの図は、実験 C の結果です。5 つの小さなデータセット、バッチ正規化のある CNN とない CNN、小さなトランスフォーマー、オプティマイザは Adam と AdamW、訓練は 12 エポック、シードは 10 個です。

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.forest_figure import forest, forest_alt
from gc_tutorial.study.published import published

elsewhere = published("C_generality").findings()
show(forest(elsewhere["training"].table), alt=forest_alt(elsewhere["training"].table))

# %% tags=["hide-input"]
show(forest(elsewhere["heldout"].table), alt=forest_alt(elsewhere["heldout"].table))

# %% [markdown] translates="545af5ff0c71"
# どの行も、1 つのデータセットと 1 つのネットワークの組み合わせを表します。点は GC ありと GC なしの差の平均、横棒はその 95% 信頼区間です。点が、訓練損失では破線より左に、正解率では右にあれば、GC ありのほうがよい結果です。帯は**許容幅**（margin）で、これに収まる差は小さすぎて問題にならないと、計画で決めてあります。GC が**役に立つ**、または**害になる**と判定するのは、区間がゼロを含まず、多重検定の補正をしてもその結果が保たれるときです。「結論が出ない」は、違いがないという意味ではありません（[ノートブック 5](05_comparison.ipynb)）。訓練損失は、ドロップアウトもデータ拡張もなしで測っています。
#
# このチュートリアルの画像だけを使う実験もあります。実験 D（RMSprop）と実験 D2（SGD）では、GC **なし**でいちばんよかった 1 つの学習率を、どちらの方法にも使います。パーセントの値は、同じシードの訓練の組ごとに求めて平均したものなので、平均どうしから求めた値とは少し違うことがあります。実験 B（RMSprop と Adam、シード 60 個）では、実験 C と同じように、方法ごとにいちばんよい学習率を使います。B と C の行は、その条件で GC が役に立つ設定と害になる設定を数えたものです。損失の単位は、自然対数を使うときの情報量の単位、ナットです。2 つのクラスに等しい確率を与えるだけ（でたらめに答えるのと同じ）なら、損失は 0.69 ナットになります。

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.outcomes import OUTCOMES
from gc_tutorial.study.evidence.result_rows import counted_settings
from gc_tutorial.study.evidence.synthesis import at_one_rate
from IPython.display import Markdown

studies = {"B": published("B_confirmation").findings(), "C": elsewhere}
lines = at_one_rate(published("D_mechanism").findings()) + at_one_rate(published("D2_mechanism_sgd").findings(), "sgd")
for letter, found in studies.items():
    for finding in (found["training"], found["heldout"]):
        outcome, said = OUTCOMES[finding.table["outcome"].iloc[0]], counted_settings(finding)
        lines.append(text("Study {letter}, {outcome}: {said}", letter=letter, outcome=outcome, said=said))
Markdown("\n".join(f"- {line}" for line in lines))

# %% [markdown] translates="4fc097490ac7"
# ## 次に読むもの
#
# - **理解する。** [1. 画像](01_data.ipynb)、[2. データ拡張](02_augmentation.ipynb)、[3. CNN](03_cnn.ipynb)、[4. 勾配中心化](04_gradient_centralization.ipynb) と進み、それから [8. 何を変え、なぜ効くと考えられるのか](08_why_it_works.ipynb) を読みます。
# - **証拠を見る。** [5. 比較](05_comparison.ipynb) と [9. 使うべきか](09_should_you_use_it.ipynb) です。
# - **自分のプロジェクトで使う。** [7. どのオプティマイザでも](07_any_optimizer.ipynb) では、`gc_tutorial.GCAdam` などの既製のクラスを使います。手元の画像で試すなら [6. 自分の画像](06_your_own_images.ipynb) です。

# %% [markdown] translates="30c9e4374a35"
# ## 練習問題
#
# 同じやり方で `GCAdam` を書いてください。どの重みベクトルの平均も、やはり一定のままでしょうか。その理由も考えてください。
#
# 次のセルが解答例です。折りたたんであるので、まず自分で解いてから開いてください。


# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title Solution
class GCAdam(keras.optimizers.Adam):
    """Adam with gradient centralization."""

    def apply(self, grads, trainable_variables=None):
        return super().apply([centralize(gradient) for gradient in grads], trainable_variables)


means = first_layer_means(GCAdam(1e-3))
shift = np.abs(means - means[0]).max()
print(text("Answer: the largest shift of a mean is {shift:.1e}, although GC runs.", shift=shift))
print(
    text(
        "Adam divides each number of the gradient by a scale of its own, so the numbers need not sum to zero any more."
    )
)
print(text("Notebook 7 measures this for Adam and other optimizers, and shows the variant of GC that keeps the means."))

# %% [markdown] translates="79d08d69f9e4"
# ## このノートブックのまとめ
#
# - GC は、重みベクトルごとに、勾配からその平均を引きます。ですから、SGD では、ステップの前後で重みの和は変わりません。
# - Keras のオプティマイザなら約 10 行で書け、書く場所は `apply` です。
# - SGD では、重みベクトルの平均は、GC なしなら動き、GC ありなら動きません。これが、実行されている証拠です。
# - 方法ごとにいちばんよい学習率を使うと、実験 B と実験 C のすべての設定で、12 エポック後の訓練損失は GC ありのほうが低くなりました。テスト正解率については、C では、GC は半分の設定で役に立ち、害になる設定はありません。B では、ある学習率で害になりますが、それより高い学習率では、GC ありのほうが正解率が高くなりました。ですから、正解率について一般的な主張はしません。くわしいことと、もっと長く訓練したときの結果は、[ノートブック 9](09_should_you_use_it.ipynb) で説明します。
#
# 次は [1. 画像](01_data.ipynb) です。上に挙げた、ほかのノートブックに進んでもかまいません。
