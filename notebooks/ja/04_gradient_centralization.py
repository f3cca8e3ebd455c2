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

# %% [markdown] translates="fc9c52d5d03d"
# # 4. 勾配中心化
#
# **Keras で勾配中心化（GC）を行うコードを約 10 行で書き、それが実行されていることを証明しましょう。最終更新日が 2023-07-25 の版の Keras の例では、Keras 3 で GC が一度も実行されません。**
#
# `standard` プロファイルでは、CPU 2 コアで約 1 分かかります。GPU は要りません。
#
# [Colab で開く](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/04_gradient_centralization.ipynb) · [Binder で開く](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/ja/04_gradient_centralization.ipynb) · [Kaggle で開く](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/04_gradient_centralization.ipynb) · [Codespaces で開く](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [nbviewer で読む](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/04_gradient_centralization.ipynb) · [English](../04_gradient_centralization.ipynb)
#
# このノートブックで行うこと
#
# - GC で勾配がどう変わるのかを、式と図で見ます。
# - Keras が呼び出すただ 1 つのメソッドの中で GC を行うオプティマイザを書きます。
# - 自分で書いたオプティマイザでは GC が実行され、公開例のオプティマイザでは実行されないことを証明します。そして、GC ありと GC なしで訓練します。

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

data = load_data(settings.data, settings.image_size)

# %% [markdown] translates="2c071440ab83"
# ## 式
#
# 層の出力ユニットを 1 つ取り上げます。その重みベクトル $w$ は $M$ 個の数からなり、損失の $w$ についての勾配を $g$ とします。勾配中心化は、勾配からその平均を引きます（[Yong et al. 2020](https://arxiv.org/abs/2004.01461) の式 1）。
#
# $$\mathrm{GC}(g) = g - \frac{1}{M}\sum_{i=1}^{M} g_i = P\,g$$
#
# $$P = I - e\,e^{\mathsf T}, \quad e = \tfrac{1}{\sqrt M}(1, \dots, 1)^{\mathsf T}$$
#
# $P$ は、成分の和がゼロになるベクトルからなる（超）平面への射影（projection）です。Keras の全結合層と畳み込み層では、カーネルの最後の軸が出力ユニットに対応するので、平均は残りのすべての軸にわたってとります。
#
# そのままにしておくべき変数が 2 種類あります。バイアスはユニットに 1 つしかないので、勾配からその平均を引くとゼロになり、バイアスはいつまでも更新されません。埋め込み（embedding）にはトークンごとに行があり、中心化すると、バッチに含まれないトークンの行まで動いてしまいます。下の短いクラスがそのままにするのはバイアスだけですが、パッケージのクラスは両方ともそのままにし、デプスワイズ畳み込みと注意機構（attention）の層でも正しい軸を使います（[ノートブック 7](07_any_optimizer.ipynb) で示します）。
#
# なぜ、こんなことをするのでしょうか。論文は理由を 2 つ挙げています。
#
# 1. GC を使うと、素の確率的勾配降下法（stochastic gradient descent、SGD）では、ユニットの重みの和が変わらなくなります。ユニットの入力がすべて、同じ $c$ だけずれたとしましょう。すると出力は $w^{\mathsf T}(x + c\,\mathbf 1) - w^{\mathsf T}x = c\sum_i w_i$ だけ変わりますが、訓練によってこの感度を変えることはできません。論文はこれを正則化（regularization）と呼んでいます。RMSprop と Adam では和が変わるので（[ノートブック 7](07_any_optimizer.ipynb)）、この理由はそのままでは当てはまりません。
# 2. 残った方向では損失の変化がより滑らかなので、訓練が安定するはずです。
#
# 論文が報告している改善は、控えめなものです。ImageNet では 0.5〜1.2 ポイントで、たとえば ResNet-50 では、top-1 誤り率（top-1 error）が 23.71% から 23.21% に下がっています。

# %%
from keras import ops


def centralize(gradient):
    """Subtract the mean from the gradient of each weight vector."""
    axes = list(range(len(gradient.shape) - 1))
    return gradient - ops.mean(gradient, axis=axes, keepdims=True)


# %% [markdown] translates="4237acddeac2"
# 小さな例として、3 つの入力と 2 つのユニットをもつ全結合層の勾配を中心化します。1 つの**列**が、1 つのユニットに対応します。

# %%
import numpy as np
from gc_tutorial import text

gradient = ops.array([[1.0, 10.0], [2.0, 20.0], [6.0, 60.0]])
print(ops.convert_to_numpy(centralize(gradient)))
print(text("column means: {means}", means=ops.convert_to_numpy(ops.mean(centralize(gradient), axis=0))))

# %% [markdown] translates="1349eed76310"
# ## 図
#
# 重みが 2 つだけなら、図に描けます。元の勾配の逆向きに進むステップでは、2 つの重みの差も和も変わることがあります。中心化した勾配の逆向きに進むステップでは、和が保たれます。つまり、$w_1 + w_2$ が初めの値と同じになる破線の上にとどまります。

# %% tags=["hide-input"]
from gc_tutorial.pictures import projected_step
from gc_tutorial.plotting import show

w, g = np.array([0.6, 0.4]), np.array([-0.9, -0.1])
show(
    projected_step(w, g, g - g.mean(), title="GC keeps the sum of the weights"),
    alt="Two arrows from one point. The step with GC follows the dashed line of constant sum; a perpendicular joins the ends of both.",
)

# %% [markdown] translates="b9c2e53ac325"
# ## オプティマイザ
#
# Keras のオプティマイザはどれも、`apply` という 1 つのメソッドを通して勾配を受け取ります。`fit` は、バックエンドが TensorFlow、JAX、PyTorch のどれであっても、このメソッドを呼び出します。自分で書いた訓練ループでも同じです。ですから、`apply` の中で中心化し、あとの処理は、いつもどおりオプティマイザに任せます。

# %%
import keras


class GCRMSprop(keras.optimizers.RMSprop):
    """RMSprop that centralizes the gradient of every kernel."""

    def apply(self, grads, trainable_variables=None):
        grads = [g if g is None or len(g.shape) < 2 else centralize(g) for g in grads]
        return super().apply(grads, trainable_variables)


# %% [markdown] translates="82abd0ff6ad8"
# この短いクラスが正しいのは、全結合層とふつうの畳み込み層に使う場合だけで、ほかの層では正しくありません。デプスワイズ畳み込みと注意機構の層では、間違った軸で平均してしまいます。また、GRU や注意機構の層のバイアス、さらには埋め込みまで中心化してしまいます。（TensorFlow では、埋め込みの勾配が疎（sparse）なので、このクラスはエラーで止まります。）そのような層のあるネットワークでは、`gc_tutorial.GCRMSprop` を使うか、ファイル `gc_tutorial/optimizers.py` をコピーしてください。PyTorch では、理由がもう 1 つあります。Keras のオプティマイザには、更新の計算を 1 つにまとめた（fused）高速な実装がありますが、自分で書いたクラスでは、それが使われません。既製のクラスなら使われます（[よくある質問](../../docs/faq.md)、英語）。
#
# ## 公開例のオプティマイザ
#
# 「公開例」とは、最終更新日が 2023-07-25 の版の [Keras の GC の例](https://keras.io/examples/vision/gradient_centralization/)と、それをコピーしたコードのことです。公開例は別のメソッド `get_gradients` を上書きしていますが、Keras 3 にこのメソッドはありません。公開例のメソッドの中身は、もし呼ばれればエラーになります。`super().get_gradients()` に引数がなく、`ops.mean` に `keep_dims` という引数はないからです。ところが、公開例のページに載っている訓練は、エラーになっていません。ですから、この中身は一度も呼ばれなかったのです。
#
# ほかの人たちも、このチュートリアルより前に、問題に気づいていました。
#
# - パッケージ `gctf` の [issue 24](https://github.com/Rishit-dagli/Gradient-Centralization-TensorFlow/issues/24)（2021-06-20）は、そのパッケージの MNIST の例を取り上げ、GC ありで行う 2 回目の訓練が、1 回目の重みの続きになると指摘しました。モデルをもう一度コンパイルしても、重みはそのまま残るからです。そして、新しいモデルを使うように求めました。
# - `gctf` の[ディスカッション](https://github.com/Rishit-dagli/Gradient-Centralization-TensorFlow/discussions/26)では、`get_gradients` が機能するのは TensorFlow 1 のグラフモードだけなので、このパッケージは TensorFlow 2 では機能しないようだと指摘されました。投稿の日付は確かめられませんでした。投稿者が使っていたのは TensorFlow 2.5.1 です。
# - [issue 2111](https://github.com/keras-team/keras-io/issues/2111)（2025-05-24）は、Keras の例そのものについて、issue 24 と同じ理由で、その比較は公平でないかもしれないと指摘しました。
#
# Keras の例は、何度か変更されました。2023-07-25 よりあとの変更で、分かっているものは 3 つあります。
#
# - [pull request 1598](https://github.com/keras-team/keras-io/pull/1598)（2023-11-10 にレビュー、マージ済み）のタイトルは、「Update gradient centralization example for Keras 3」です。
# - [pull request 2042](https://github.com/keras-team/keras-io/pull/2042)（2025-01-30 にレビュー、マージ済み）のタイトルは、「Fixed the errors in gradient_centralization.py」です。何が変わったのかは、確かめられませんでした。
# - [pull request 2113](https://github.com/keras-team/keras-io/pull/2113)（2025-05-29 に作成、マージ済み）では、訓練ごとに別のモデルを使うように改められました。
#
# 2023-07-25 という日付の付いた版は、1 つではありません。少なくとも 2 つあり、モデルの最初にあるのは、一方では引数 `input_shape` をもつ畳み込み層、もう一方では `Input` の層です。`get_gradients` はどちらの版でも同じで、どちらも 1 つのモデルを 2 回訓練します。表示されている途中経過の行は、2025 年までページにあったようです。2024-11-21 の日付が付いた、ページのコピーに、その行があるからです。また、2025-05-24 の issue 2111 は、GC ありの最初のエポックの正解率として 71% を引用していて、これもその行の値です。ページが最後にまとめとして示した損失は、GC なしで 0.5346、GC ありで 0.4014、正解率は同じ順に 76.04% と 81.54% で、どれも訓練用画像での値です。これらの数値を表示したのが Keras 3 のどのバージョンかは、分かっていません。現在のページは参照できませんでした。ですから、以下は 2023-07-25 の版についての話です。
#
# `gctf` のオプティマイザは、クラスの `get_gradients` を上書きするのではなく、できあがったオプティマイザに、あとからこのメソッドを設定します。次のセルに、両方の骨組みを書きます。
#
# セルの最後では、Keras 自身の RMSprop に `get_gradients` というメソッドがあるかどうかを出力します（True なら「ある」、False なら「ない」です）。


# %%
class PublishedGCRMSprop(keras.optimizers.RMSprop):
    """The published optimizer in outline, with a counter that is ours."""

    calls = 0

    def get_gradients(self, loss, params):
        PublishedGCRMSprop.calls += 1
        return [centralize(g) if len(g.shape) > 1 else g for g in super().get_gradients(loss, params)]


def like_gctf(optimizer):
    """What the package `gctf` does to an optimizer."""
    optimizer.get_gradients = lambda loss, params: [centralize(g) for g in keras.backend.gradients(loss, params)]
    return optimizer


has = hasattr(keras.optimizers.RMSprop, "get_gradients")
print(text("Does Keras's own RMSprop have a method `get_gradients`? {has}", has=has))

# %% [markdown] translates="1f8019c5b2d8"
# ## 最初の確認：重みは異なるか
#
# GC が実行されているなら、GC ありで訓練した重みは、GC なしで訓練した重みと異なるはずです。同じネットワークを、それぞれのオプティマイザで 1 回ずつ訓練します。重みの初期値は毎回同じで、同じ 128 枚の画像を同じ順序で見せます。
#
# 結果の表は、素の RMSprop の重みとの差の最大値です。

# %%
from gc_tutorial import build_cnn, training_batches


def train_briefly(optimizer, callbacks=()):
    """Two short epochs from seed 0; returns the trained weights."""
    keras.utils.set_random_seed(0)
    model = build_cnn(settings.image_size)
    model.compile(optimizer, "binary_crossentropy")
    optimizer.build(model.trainable_variables)  # otherwise Keras on TensorFlow traces the first step twice
    batches = training_batches(data.train_images[:128], data.train_labels[:128], batch_size=16, seed=0)
    model.fit(batches, epochs=2, shuffle=False, verbose=0, callbacks=list(callbacks))
    return model.get_weights()


# %%
AGAIN, PUBLISHED = text("RMSprop, run again"), text("published `get_gradients`")
GCTF, OURS = text("as `gctf` does it"), text("ours, `apply`")
weights = {
    "RMSprop": train_briefly(keras.optimizers.RMSprop(1e-3)),
    AGAIN: train_briefly(keras.optimizers.RMSprop(1e-3)),
    PUBLISHED: train_briefly(PublishedGCRMSprop(1e-3)),
    GCTF: train_briefly(like_gctf(keras.optimizers.RMSprop(1e-3))),
    OURS: train_briefly(GCRMSprop(1e-3)),
}

# %%
import pandas as pd


def largest_difference(first, second):
    return max(np.abs(a - b).max() for a, b in zip(first, second))


differences = {name: largest_difference(trained, weights["RMSprop"]) for name, trained in weights.items()}
pd.Series(differences, name=text("largest difference from RMSprop's weights")).map("{:.2g}".format).to_frame()

# %%
from IPython.display import Markdown
from gc_tutorial.language import sentences

if differences[PUBLISHED] == 0:
    finding = "Its weights are **the same to the last bit** as those of plain RMSprop."
else:  # a GPU may round differently in every run
    finding = (
        "Its weights differ from plain RMSprop's by {published:.2g}. Plain RMSprop, run again, differs by {again:.2g}."
    )
others = (
    "With an optimizer changed in the way of `gctf` they differ from plain RMSprop's by {gctf:.2g}, and with ours by up to "
    "{ours:.2g}."
)
found = [
    text("The published `get_gradients` was called **{calls}** times.", calls=PublishedGCRMSprop.calls),
    text(finding, published=differences[PUBLISHED], again=differences[AGAIN]),
    text(others, gctf=differences[GCTF], ours=differences[OURS]),
]
Markdown(sentences(found))

# %% [markdown] translates="6e9fec749b32"
# パッケージそのものも実行しました。`gctf` 0.0.3 は Keras 2.4 を求めるので、依存パッケージなしでインストールしました。Keras 3.15.1（2026-11-24 に確認）では、その RMSprop で訓練した小さなネットワークの重みは、素の RMSprop の重みとまったく同じでした。テスト `tests/against_gctf.py` で、同じことを確かめられます。
#
# ## 証明 1：どんな勾配が更新に使われるか
#
# 重みが同じなら、GC が実行されていないことの証明になります。しかし、重みが異なっていても、GC が実行されたことの証明にはなりません。ほかに何か変更があるだけでも、重みは違ってくるからです。そこで、勾配そのものを、オプティマイザが使う直前に見てみましょう。オプティマイザは、メソッド `update_step` の中で変数を 1 つずつ変更します。（`run_eagerly` を使うと、普通の Python のコードで勾配を読めます。）
#
# 結果の表に示すのは、更新に使われた勾配の平均のうち、絶対値がいちばん大きいものです。


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
rows = {"RMSprop": keras.optimizers.RMSprop, PUBLISHED: PublishedGCRMSprop, OURS: GCRMSprop}
means = {name: f"{largest_mean_at_update(optimizer):.1e}" for name, optimizer in rows.items()}
pd.Series(means, name=text("largest mean of a gradient at the update")).to_frame()

# %% [markdown] translates="089210d0cb47"
# ## 証明 2：訓練では変えられない平均
#
# 素の確率的勾配降下法（SGD）は、モーメンタムがあってもなくても、重みに勾配の定数倍を足していくだけです。どの勾配も平均がゼロなら、それぞれの重みベクトルの平均は決して動きません。つまり、この平均は**不変量**（invariant）です。このことは、重みだけを見れば分かります。ですから、SGD で訓練するプロジェクトで GC が実行されているかどうかを調べるには、これがいちばんよい方法です。ただし、`weight_decay` と `clipvalue` を使っていないプロジェクトに限ります。どちらも GC のあとに働いて、平均を動かすからです。`WeightMeanDrift` は、平均のずれ（shift）の最大値を記録します。
#
# SGD には、パッケージの `GCSGD` を使います。書き方は上のクラスと同じです。結果の表は、重みベクトルの平均のずれの最大値です。

# %%
from gc_tutorial import GCSGD, WeightMeanDrift

drifts = {}
for name, optimizer in {"SGD": keras.optimizers.SGD(0.01, momentum=0.9), "GCSGD": GCSGD(0.01, momentum=0.9)}.items():
    drifts[name] = WeightMeanDrift()
    train_briefly(optimizer, [drifts[name]])
shifts = {name: f"{one.drift[-1]:.1e}" for name, one in drifts.items()}
pd.Series(shifts, name=text("largest shift of a weight vector's mean")).to_frame()

# %% [markdown] translates="598b41103677"
# `GCSGD` に残っているずれは、丸め誤差（rounding）です。
#
# RMSprop と Adam は、勾配の成分を、それぞれ異なるスケールで割ります。そのため、これらのオプティマイザでは、GC が実行されていても平均は動きます。[ノートブック 7](07_any_optimizer.ipynb) では、このことを測り、平均を保つように変えた GC を紹介します。
#
# ## GC ありと GC なし
#
# ここで、GC ありと GC なしを比べます。比べる方法の 1 つ 1 つを**群**（arm）と呼び、GC を使わない群を**基準**（baseline）とします。GC を使うほうの群は、表や凡例では「勾配への GC」と呼びます。GC にはもう 1 つの種類があるからです（[ノートブック 7](07_any_optimizer.ipynb)）。2 回の訓練には**対応があります**（paired）。重みの初期値もバッチも同じだということです。どちらも、訓練に使わずに取り分けた評価用画像で評価します。ここでは、[ノートブック 1](01_data.ipynb) の**背景が白い画像**です。
#
# 訓練のたびに**新しいモデル**を作ります。`compile` は重みをそのまま残すので、同じモデルでもう一度訓練すると、前の訓練の続きになってしまうからです。

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
from gc_tutorial.plotting import LABELS, MEASURES, learning_curves

summary = runs.groupby("arm", sort=False).agg(
    train_loss=("train_loss", "last"),
    test_loss=("test_loss", "last"),
    train_accuracy=("train_accuracy", "last"),
    test_accuracy=("test_accuracy", "last"),
    seconds=("seconds", "sum"),
)
columns = {**MEASURES, "seconds": text("seconds of training")}
summary.rename(index=LABELS, columns=columns).rename_axis(text("arm")).round(3)

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.wording import changed_by

change = summary.loc["gradient"] - summary.loc["none"]
changes = {
    "loss": changed_by(change["train_loss"], joined=True),
    "accuracy": changed_by(100 * change["test_accuracy"], text(" points")),
}
title = text("One run each. With GC: training loss {loss}, held-out accuracy {accuracy}", **changes)
show(
    learning_curves(runs, title=title),
    alt=text(
        "Training loss, held-out loss and held-out accuracy by epoch, for one run without and one with GC. At the end, the "
        "training loss with GC is {loss}, and the held-out accuracy is {accuracy}.",
        **changes,
    ),
)

# %%
Markdown(
    text(
        "In this one pair of runs, the final training loss with GC is {loss}, and the held-out accuracy is {accuracy}. "
        "**One pair proves nothing.** Notebook 3 shows how much runs of the *same* method differ. Notebook 5 repeats the "
        "comparison with several seeds.",
        **changes,
    )
)

# %% [markdown] translates="506cfdc42a3a"
# ## 練習問題
#
# `GCAdam` という名前のオプティマイザを使うプロジェクトを、誰かから渡されたとします。そのコードを読まずに、勾配中心化が実行されているかどうかを確かめる、短いコードを書いてください。（証明 2 は使えません。Adam では平均が動くからです。）
#
# 次のセルが解答例です。折りたたんであるので、まず自分で解いてから開いてください。

# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title Solution
from gc_tutorial import GCAdam

moved = {}
for optimizer in (GCAdam(0.1), keras.optimizers.Adam(0.1)):
    kernel = keras.Variable(np.zeros((3, 2)), name="kernel")
    distances = []
    for gradient in (
        np.ones((3, 2)),
        np.arange(6.0).reshape(3, 2),
    ):  # equal numbers, of which GC leaves zero; and others
        before = ops.copy(kernel)
        optimizer.apply([ops.cast(gradient, "float32")], [kernel])
        distances.append(float(ops.max(ops.abs(kernel - before))))
    moved[type(optimizer).__name__] = distances
print(
    text(
        "Answer: give a kernel a gradient of equal numbers. If GC runs, zero is left of it, and the kernel does not move. A second "
        "gradient, of unequal numbers, must move it: else the optimizer does nothing at all."
    )
)
for name, (equal, unequal) in moved.items():
    said = "{name} moved the kernel by {equal:.2g} and then by {unequal:.2g}, so GC does not run in it."
    if equal == 0 < unequal:
        said = "{name} moved the kernel by {equal:.2g} and then by {unequal:.2g}, so GC runs in it."
    print(text(said, name=name, equal=equal, unequal=unequal))

# %% [markdown] translates="b069faafcd15"
# ## このノートブックのまとめ
#
# - GC は、それぞれの重みベクトルの勾配から、その平均を引きます。約 10 行で書け、書く場所は `Optimizer.apply` です。
# - 公開例のように `get_gradients` を上書きしても、何も変わりません。Keras 3 はこのメソッドをまったく呼ばないからです。
# - GC が実行されていることは、2 つの証明で示せます。更新に使われる勾配は平均がゼロで、SGD では重みベクトルの平均が決して動きません。
#
# 次は [5. 比較](05_comparison.ipynb) です。いくつものシードで比べ、区間を求め、判定（verdict）を下します。
