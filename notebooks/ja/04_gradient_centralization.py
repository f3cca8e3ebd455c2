# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] translates="990216160935"
# # 4. 勾配集中化
#
# **Keras のための勾配集中化（Gradient Centralization、GC）を 10 行で書き、それが動いていることを証明しましょう。多くのプロジェクトが写した公開コードでは、GC は動きません。**
#
# `standard` プロファイルでは、プロセッサ 2 コアで 2〜3 分かかります。GPU は要りません。
#
# [Colab で開く](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/04_gradient_centralization.ipynb) · [Binder で開く](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/ja/04_gradient_centralization.ipynb) · [Kaggle で開く](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/04_gradient_centralization.ipynb) · [Codespaces で開く](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [nbviewer で読む](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/04_gradient_centralization.ipynb) · [English](../04_gradient_centralization.ipynb)
#
# このノートブックで行うこと
#
# - GC が勾配（gradient）に何をするのかを、式と図で見ます。
# - GC を行うオプティマイザ（optimizer）を、Keras が呼び出すただ 1 つのメソッドを使って書きます。
# - 自分で書いたものが動き、公開されているものが動かないことを証明し、GC ありと GC なしで訓練します。

# %% tags=["hide-input"]
# @title Setup
from importlib.util import find_spec

package = "gc-tutorial[tutorial] @ git+https://github.com/your_name_here/gradient-centralization-tutorial"
if not find_spec("gc_tutorial"):  # as in Colab
    get_ipython().run_line_magic("pip", f"install -qqq --no-input '{package}'")
if not find_spec("gc_tutorial"):
    raise SystemExit(f"{package} was not installed: it needs a network, git and Python 3.10 or newer.")
import gc_tutorial

settings = gc_tutorial.start()

# %%
from gc_tutorial import load_data

data = load_data(settings.data, settings.image_size)

# %% [markdown] translates="677aa1102600"
# ## 式
#
# 層の出力ユニット（output unit）を 1 つ取り上げます。その重みベクトル（weight vector）$w$ は $M$ 個の数からなり、損失（loss）をこの重みベクトルで微分した勾配を $g$ とします。勾配集中化は、勾配からその平均を引きます（[Yong et al. 2020](https://arxiv.org/abs/2004.01461) の式 1）。
#
# $$\mathrm{GC}(g) = g - \frac{1}{M}\sum_{i=1}^{M} g_i = P\,g, \qquad P = I - e\,e^{\mathsf T}, \quad
# e = \tfrac{1}{\sqrt M}(1, \dots, 1)^{\mathsf T}$$
#
# $P$ は、成分の和がゼロになるベクトルからなる平面への射影（projection）です。Keras の全結合層（dense layer）と畳み込み層（convolutional layer）では、カーネル（kernel）の最後の軸が出力ユニットに対応するので、平均は残りのすべての軸にわたってとります。
#
# そのままにしておく変数が 2 種類あります。バイアス（bias）はユニットに 1 つしかないので、勾配からその平均を引くとゼロになり、バイアスは何も学習しなくなります。埋め込み（embedding）にはトークンごとに行があり、中心化すると、バッチに含まれないトークンの行まで動いてしまいます。（デプスワイズ畳み込み（depthwise convolution）と注意機構（attention）の層では軸が違います。[ノートブック 7](07_any_optimizer.ipynb) で示します。）
#
# なぜ、こんなことをするのでしょうか。論文は理由を 2 つ挙げています。第一の理由は、基本となる確率的勾配降下法（stochastic gradient descent、SGD）について成り立ちます。ユニットの重み（weight）の和は動けません。すると、すべての入力に共通するずれ $c$ に対するユニットの反応も動けません。$w^{\mathsf T}(x + c\,\mathbf 1) - w^{\mathsf T}x = c\sum_i w_i$ だからです。訓練でデータに合わせるためにこの反応を使うことはできず、論文はこれを正則化（regularization）と呼んでいます。RMSprop と Adam では和が動くので（[ノートブック 5](05_comparison.ipynb)）、第一の理由はそのままでは当てはまりません。第二の理由は、残された方向では損失がより滑らかで、そのため訓練が安定するはずだ、というものです。論文が報告している改善は、控えめなものです。ImageNet を ResNet-50 で分類する実験では、top-1 誤り率（top-1 error）が 23.71% から 23.21% に下がっています。

# %%
from keras import ops


def centralize(gradient):
    """Subtract from the gradient of each weight vector its mean."""
    axes = list(range(len(gradient.shape) - 1))
    return gradient - ops.mean(gradient, axis=axes, keepdims=True)


# %% [markdown] translates="4237acddeac2"
# 小さな例として、3 つの入力と 2 つのユニットをもつ全結合層の勾配を中心化（centralize）します。1 つの**列**が、1 つのユニットに対応します。出力の最後の行は、列ごとの平均（column means）です。

# %%
import numpy as np

gradient = ops.array([[1.0, 10.0], [2.0, 20.0], [6.0, 60.0]])
print(ops.convert_to_numpy(centralize(gradient)))
print("column means:", ops.convert_to_numpy(ops.mean(centralize(gradient), axis=0)))

# %% [markdown] translates="5e679c1cf0f1"
# ## 図
#
# 重みが 2 つだけなら、図に描けます。元の勾配の逆向きに進むステップ（step）では、2 つの重みの差も和も変わることがあります。中心化した勾配の逆向きに進むステップでは、和が保たれます。$w_1 + w_2$ が初めの値と同じになる破線の上に、とどまるのです。
#
# 図の見出しは「GC は重みの和を保つ」という意味です。凡例は上から順に、重みの和が変わらない線（unchanged）、元の勾配の逆向きに進むステップ、中心化した勾配の逆向きに進むステップです。

# %%
import matplotlib.pyplot as plt
from gc_tutorial.plotting import COLOURS, show

w, g = np.array([0.6, 0.4]), np.array([-0.9, -0.1])
figure, axis = plt.subplots(figsize=(4.6, 4.2), layout="constrained")
line = np.array([-0.2, 1.6])
axis.plot(line, w.sum() - line, "k--", lw=1, label=r"$w_1 + w_2$ unchanged")
for step, colour, name in (
    (-g, COLOURS["none"], "step along $-g$"),
    (g.mean() - g, COLOURS["gradient"], "step along $-$GC$(g)$"),
):
    axis.annotate("", w + step, w, arrowprops={"arrowstyle": "->", "color": colour, "lw": 2})
    axis.plot([], [], color=colour, lw=2, label=name)
axis.plot(*w, "ko")
axis.set(
    xlabel="$w_1$", ylabel="$w_2$", xlim=line, ylim=(-0.3, 1.2), aspect="equal", title="GC keeps the sum of the weights"
)
axis.legend(fontsize=8, loc="upper right")
show(
    figure,
    alt="Two arrows from one point: the raw step leaves the dashed line of constant sum, the centralized one follows it.",
)

# %% [markdown] translates="3ecedd3d01a6"
# ## オプティマイザ
#
# Keras のオプティマイザはどれも、`apply` という 1 つのメソッドを通して勾配を受け取ります。`fit` は、バックエンド（backend）が TensorFlow、JAX、PyTorch のどれであっても、このメソッドを呼び出します。自分で書いた訓練ループでも同じです。ですから、ここで中心化し、あとはオプティマイザに、いつもどおりの仕事をさせます。

# %%
import keras


class GCRMSprop(keras.optimizers.RMSprop):
    """RMSprop that centralizes the gradient of every kernel."""

    def apply(self, grads, trainable_variables=None):
        grads = [g if g is None or len(g.shape) < 2 else centralize(g) for g in grads]
        return super().apply(grads, trainable_variables)


# %% [markdown] translates="28ec7a5763ac"
# ## 公開されているオプティマイザ
#
# ここで「公開されている」と言うのは、最後に変更された 2023-07-25 の時点での [Keras の GC の例](https://keras.io/examples/vision/gradient_centralization/)と、それを写したコードのことです。それらは別のメソッド `get_gradients` を上書きしていますが、Keras 3 にこのメソッドはありません。
#
# 問題には、ほかの人たちが先に気づいていました。パッケージ `gctf` の利用者は、その GC が動かないことを 2021 年に報告しています（[issue 24](https://github.com/Rishit-dagli/Gradient-Centralization-TensorFlow/issues/24)）。Keras の例は 2025 年に訂正されました。[pull request 2042](https://github.com/keras-team/keras-io/pull/2042)（2025-01-30 にマージ）が誤りを直し、[issue 2111](https://github.com/keras-team/keras-io/issues/2111)（2025-05-24）が比較の不公平を報告し、[pull request 2113](https://github.com/keras-team/keras-io/pull/2113)（2025 年）が訓練ごとに別のモデルを使うようにしました。今のページに何が書かれているかは確かめられなかったので、以下は 2023-07-25 の版についての話です。
#
# `gctf` のオプティマイザは、`get_gradients` を上書きする代わりに、できあがったオプティマイザに設定します。両方の骨組みを書くと、次のとおりです。
#
# セルの最後では、Keras 自身の RMSprop に `get_gradients` というメソッドがあるかどうかを出力します（True なら「ある」、False なら「ない」です）。


# %%
class PublishedGCRMSprop(keras.optimizers.RMSprop):
    """How the published optimizer is built; the counter is ours."""

    calls = 0

    def get_gradients(self, loss, params):
        PublishedGCRMSprop.calls += 1
        return [centralize(g) if len(g.shape) > 1 else g for g in super().get_gradients(loss, params)]


def like_gctf(optimizer):
    """What the package `gctf` does to an optimizer."""
    optimizer.get_gradients = lambda loss, params: [centralize(g) for g in keras.backend.gradients(loss, params)]
    return optimizer


print("Does Keras's own RMSprop have a method `get_gradients`?", hasattr(keras.optimizers.RMSprop, "get_gradients"))

# %% [markdown] translates="4b9ea2c096a4"
# ## 最初の確認「重みは異なるか」
#
# GC が動いているなら、GC ありの訓練は、GC なしの訓練とは別の重みに行き着くはずです。同じネットワークを、同じ初期の重み（initial weights）から、同じ 128 枚の画像を同じ順序で使って、それぞれのオプティマイザで 1 回ずつ訓練します。
#
# 結果の表は、素の RMSprop（plain RMSprop）の重みとの差を、いちばん大きいところで示します（largest difference from RMSprop's weights）。行は上から、RMSprop、もう一度訓練した RMSprop（once more）、公開されているもの（published）、gctf のやり方（the way of）、ここで書いたもの（ours）です。表の下の文は、公開されているオプティマイザのメソッドが何回呼ばれたか、その重みが素の RMSprop の重みと最後の 1 ビットまで同じ（the same to the last bit）かどうか、gctf のやり方とここで書いたものの重みが最大でどれだけ異なるかを述べています。

# %%
from gc_tutorial import build_cnn, training_batches


def train_briefly(optimizer, callbacks=()):
    """Two short epochs from seed 0; returns the trained weights."""
    keras.utils.set_random_seed(0)
    model = build_cnn(settings.image_size)
    model.compile(optimizer, "binary_crossentropy")
    batches = training_batches(data.train_images[:128], data.train_labels[:128], batch_size=16, seed=0)
    model.fit(batches, epochs=2, shuffle=False, verbose=0, callbacks=list(callbacks))
    return model.get_weights()


# %%
weights = {
    "RMSprop": train_briefly(keras.optimizers.RMSprop(1e-3)),
    "RMSprop once more": train_briefly(keras.optimizers.RMSprop(1e-3)),
    "published `get_gradients`": train_briefly(PublishedGCRMSprop(1e-3)),
    "the way of `gctf`": train_briefly(like_gctf(keras.optimizers.RMSprop(1e-3))),
    "ours, `apply`": train_briefly(GCRMSprop(1e-3)),
}

# %%
import pandas as pd


def largest_difference(first, second):
    return max(np.abs(a - b).max() for a, b in zip(first, second))


differences = {name: largest_difference(trained, weights["RMSprop"]) for name, trained in weights.items()}
pd.Series(differences, name="largest difference from RMSprop's weights").map("{:.2g}".format).to_frame()

# %%
from IPython.display import Markdown

published, repeated = differences["published `get_gradients`"], differences["RMSprop once more"]
if published == 0:
    finding = "**the same to the last bit** as plain RMSprop's: it *is* plain RMSprop."
else:  # a GPU may round differently in every run
    finding = f"off by {published:.2g}, where plain RMSprop, run once more, is off by {repeated:.2g}: see proof 1."
Markdown(
    f"The published optimizer's `get_gradients` was called **{PublishedGCRMSprop.calls}** times, and its weights are {finding} "
    f"The way of `gctf` differs from plain RMSprop by {differences['the way of `gctf`']:.2g}, ours by up to "
    f"{differences['ours, `apply`']:.2g}."
)

# %% [markdown] translates="2e1405d0d2f7"
# パッケージそのものも動かしました。Keras 2.4 を求めるので、`gctf` 0.0.3 を依存パッケージなしでインストールしました。Keras 3.15.1（2026-11-24 に確認）では、その RMSprop で訓練した小さなネットワークの重みは、素の RMSprop の重みとまったく同じでした。テスト `tests/against_gctf.py` が、これを繰り返します。
#
# ## 証明 1「更新に届くのは何か」
#
# 重みが同じなら、GC は動いていません。しかし、重みが異なっても、GC が動いたことにはなりません。どんな間違いでも重みは変わるからです。そこで、勾配そのものを、使われる直前に見てみましょう。`update_step` は、オプティマイザが 1 つの変数を変更するメソッドです。（`run_eagerly` を使うと、普通の Python のコードで勾配を見られます。）
#
# 結果の表は、更新（update）に届いた勾配の平均のうち、絶対値がいちばん大きいものです（largest mean of a gradient at the update）。


# %%
def largest_mean_at_update(optimizer_class):
    """The largest mean of any weight vector's gradient that one training step hands to `update_step`."""
    seen = []

    class Watched(optimizer_class):
        def update_step(self, gradient, variable, learning_rate):
            if len(gradient.shape) > 1:
                means = ops.mean(gradient, axis=list(range(len(gradient.shape) - 1)))
                seen.append(float(ops.max(ops.abs(means))))
            super().update_step(gradient, variable, learning_rate)

    keras.utils.set_random_seed(0)
    model = build_cnn(settings.image_size)
    model.compile(Watched(1e-3), "binary_crossentropy", run_eagerly=True)
    model.train_on_batch(data.train_images[:16], data.train_labels[:16])
    return max(seen)


# %%
rows = {
    "RMSprop": keras.optimizers.RMSprop,
    "published `get_gradients`": PublishedGCRMSprop,
    "ours, `apply`": GCRMSprop,
}
means = {name: f"{largest_mean_at_update(optimizer):.1e}" for name, optimizer in rows.items()}
pd.Series(means, name="largest mean of a gradient at the update").to_frame()

# %% [markdown] translates="a08738a863e5"
# ## 証明 2「論文の不変量（invariant、訓練では変えられないもの）」
#
# SGD は、モーメンタム（momentum）があってもなくても、重みに勾配の定数倍を足していくだけです。どの勾配も平均がゼロなら、それぞれの重みベクトルの平均は決して動きません。これは重みだけを見て確かめられるので、SGD で訓練するプロジェクトで GC が動いているかどうかを調べるには、最良の方法です（ただし、`weight_decay` と `clipvalue` を使わないときに限ります。どちらも GC のあとに働いて、平均を動かすからです）。`WeightMeanDrift` は、平均のずれ（shift、drift）の最大値を記録します。
#
# SGD には、同じやり方で書かれた、パッケージの既製の `GCSGD` を使います。結果の表は、重みベクトルの平均のずれの最大値です（largest shift of a weight vector's mean）。

# %%
from gc_tutorial import GCSGD, WeightMeanDrift

drifts = {}
for name, optimizer in {"SGD": keras.optimizers.SGD(0.01, momentum=0.9), "GCSGD": GCSGD(0.01, momentum=0.9)}.items():
    drifts[name] = WeightMeanDrift()
    train_briefly(optimizer, [drifts[name]])
pd.Series(
    {name: f"{d.drift[-1]:.1e}" for name, d in drifts.items()}, name="largest shift of a weight vector's mean"
).to_frame()

# %% [markdown] translates="1d56ec6855bc"
# `GCSGD` に残っているのは、丸め誤差（rounding）です。
#
# RMSprop と Adam は、勾配の成分を、それぞれ異なる縮尺で割ります。そのため、これらのオプティマイザでは、GC が動いていても不変量は保たれません。[ノートブック 5](05_comparison.ipynb) で、このことを測り、平均を保つ GC の変種を示します。
#
# ## GC ありと GC なし
#
# ここで比較します。**訓練のたびに新しいモデルを作ります**。`compile` は重みをそのまま残すので、同じモデルをもう一度コンパイルするだけでは、2 回目の訓練が初めから有利になってしまうからです。どちらの訓練でも、初期の重みもバッチ（batch）も同じにし、訓練に使わずに取り分けた評価用画像（held-out images）で評価します。
#
# 表と図では、no GC が GC なし、GC on the gradient が勾配への GC です。表の列は左から、最後のエポック（epoch）の訓練損失（training loss）、評価損失（held-out loss）、訓練正解率（training accuracy）、評価正解率（held-out accuracy）と、訓練にかかった秒数の合計です。図も同じ順に並び、エポック（横軸）ごとの値を示します。図の見出しは、この 1 組の訓練で、GC によって訓練損失と評価正解率がどれだけ変わったかを述べています。図の下の文も同じことを述べたうえで、1 組の訓練からはどちらとも証明できないこと、同じ方法の訓練どうしがどれだけ離れるかは前のノートブックで見たこと、次のノートブックではこれをいくつものシード（seed、乱数の出発点）で繰り返すことを付け加えています。

# %%
from gc_tutorial import TimeHistory


def train(optimizer):
    """The full recipe from seed 0; returns a table of its epochs."""
    keras.utils.set_random_seed(0)
    model = build_cnn(settings.image_size)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    times = TimeHistory()
    batches = training_batches(data.train_images, data.train_labels, settings.batch_size, seed=0)
    test = data.test.batch(128)
    history = model.fit(
        batches, validation_data=test, epochs=settings.epochs, callbacks=[times], shuffle=False, verbose=0
    )
    columns = {
        "loss": "train_loss",
        "accuracy": "train_accuracy",
        "val_loss": "test_loss",
        "val_accuracy": "test_accuracy",
    }
    table = pd.DataFrame(history.history).rename(columns=columns)
    return table.assign(epoch=table.index + 1, seconds=times.train_seconds, seed=0)


# %%
without = train(keras.optimizers.RMSprop(settings.learning_rate)).assign(arm="none")
with_gc = train(GCRMSprop(settings.learning_rate)).assign(arm="gradient")
runs = pd.concat([without, with_gc])

# %%
from gc_tutorial.plotting import LABELS

summary = runs.groupby("arm", sort=False).agg(
    train_loss=("train_loss", "last"),
    test_loss=("test_loss", "last"),
    train_accuracy=("train_accuracy", "last"),
    test_accuracy=("test_accuracy", "last"),
    seconds=("seconds", "sum"),
)
change = summary.loc["gradient"] - summary.loc["none"]
accuracy = 100 * change["test_accuracy"]
summary.rename(index=LABELS).round(3)

# %%
from gc_tutorial.plotting import learning_curves

show(
    learning_curves(
        runs,
        ("train_loss", "test_loss", "train_accuracy", "test_accuracy", "seconds"),
        title=f"One pair of runs: training loss {change['train_loss']:+.3f}, held-out accuracy {accuracy:+.1f} points with GC",
    ),
    alt="Loss and accuracy on training and held-out images, and seconds, by epoch, for one run without and one with GC.",
)

# %%
Markdown(
    f"In this one pair of runs GC changed the final training loss by {change['train_loss']:+.3f} and the held-out accuracy by "
    f"{accuracy:+.1f} percentage points. **One pair proves nothing either way**: notebook 3 shows how far "
    "runs of the *same* method lie apart. Notebook 5 repeats this over several seeds."
)

# %% [markdown] translates="31fc91a0b05b"
# ## 練習問題
#
# オプティマイザが `GCAdam` という名前のプロジェクトを、誰かから渡されたとします。そのコードを読まずに、中で勾配集中化が動いているかどうかが分かる、短い確認を書いてください。
#
# <details><summary>解答例</summary>
#
# Adam では証明 2 の不変量が保たれないので、証明 1 を使います。1 つのカーネルに平均の大きな勾配を与え、何が更新に届くかを見ます。そのような勾配のうち、いちばん簡単なのは、すべての数が等しいものです。平均のほかには何もないので、GC をかけるとゼロになり、重みは動かないはずです。
#
# ```python
# from gc_tutorial import GCAdam
#
# for optimizer in (GCAdam(0.1), keras.optimizers.Adam(0.1)):
#     kernel = keras.Variable(np.zeros((3, 2)), name="kernel")
#     optimizer.apply([ops.ones((3, 2))], [kernel])
#     print(type(optimizer).__name__, "centralizes:", bool(ops.all(kernel == 0)))
# ```
#
# </details>

# %% [markdown] translates="88ff18cf4728"
# ## この章のまとめ
#
# - GC は、それぞれの重みベクトルの勾配から、その平均を引きます。10 行で書け、書く場所は `Optimizer.apply` です。
# - 公開されている例のように `get_gradients` を上書きしても、何も変わりません。Keras 3 はこのメソッドを決して呼ばないからです。
# - GC が動いていることの証明は 2 つです。更新に届く勾配の平均がゼロであること、SGD では重みベクトルの平均が決して動かないことです。
#
# 次は [5. 比較](05_comparison.ipynb) です。いくつものシードで比べ、区間（interval）を求め、判定（verdict）を下します。
