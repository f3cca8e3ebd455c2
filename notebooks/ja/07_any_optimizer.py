# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] translates="79a9848e671a"
# # 7. どのオプティマイザでも
#
# **勾配集中化（Gradient Centralization、GC）を、自分のコードで使いましょう。Adam などのオプティマイザ（optimizer）で、自分の層で、自分のバックエンド（backend）で使います。**
#
# 所要時間は、プロセッサ 2 コアで約 1 分です。GPU は要りません。
#
# [Colab で開く](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/07_any_optimizer.ipynb) · [Binder で開く](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/ja/07_any_optimizer.ipynb) · [Kaggle で開く](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/07_any_optimizer.ipynb) · [Codespaces で開く](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [nbviewer で読む](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/07_any_optimizer.ipynb) · [English](../07_any_optimizer.ipynb)
#
# このノートブックで行うこと
#
# - Keras のどのオプティマイザにも、1 回の呼び出しで勾配集中化（GC）を加えます。
# - 勾配（gradient）への GC と更新量（update）への GC で、重み（weight）の平均を保つのはどのオプティマイザかを見ます。
# - 層ごとに、カーネル（kernel）のどの軸で平均するのか、オプティマイザには知りようがないときにどうすればよいのかを学びます。

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

# %% [markdown] translates="7ea983f06811"
# ## 自分のコードで使う
#
# `GCSGD`、`GCRMSprop`、`GCAdam`、`GCAdamW` は、すぐに使えます。Keras のほかのオプティマイザからは、`centralized` で同じものを作れます。引数は、元のオプティマイザと同じです。何もインストールしたくないときは、`gc_tutorial/optimizers.py` という 1 つのファイルをコピーしてください。必要なのは Keras だけです。

# %%
import keras
from gc_tutorial import centralized

GCNadam = centralized(keras.optimizers.Nadam)
optimizer = GCNadam(learning_rate=1e-3)

# %% [markdown] translates="9f559f8e7818"
# ## 勾配か、更新量か
#
# ノートブック 4 で見たように、SGD では重みベクトル（weight vector）の平均はまったく動きません。どのステップ（step）も、平均がゼロの勾配からできているからです。RMSprop や Adam は、勾配の成分をそれぞれ別の縮尺で割り、Lion は、勾配の移動平均（moving average）の成分の符号だけを残します。そのため、勾配の平均がゼロでも、更新量の平均はゼロではありません。中心化（centralize）のしかたは 2 つあります。
#
# - `centralize="gradient"` は既定で、論文の方法です。オプティマイザが**勾配**を受け取る前に、勾配からその平均を引きます。
# - `centralize="update"` では、オプティマイザが重みに加えた変化が何であっても、そこからその平均を引きます。論文の著者はコードに添えた注記に、適応的なオプティマイザ（adaptive optimizer）ではたいていこちらのほうがうまくいくと書いています。調整していない 1 つの学習率（learning rate）で RMSprop を使ったここでの実験では、どちらがよいかは分かっていません。[ノートブック 5](05_comparison.ipynb) を見てください。
#
# 重みの平均を保つのはどちらで、それはどのオプティマイザのときでしょうか。小さなネットワークを、少数の小さな画像で訓練してみましょう。
#
# 次の図の横軸は、重みベクトルの平均のずれ（shift of the mean）の最大値で、目盛りは対数です。凡例は、GC on the gradient が勾配への GC、GC on the update が更新量への GC です。見出しは「すべての平均を保つのは更新量への GC だけ」という意味です。図の下の文は、勾配への GC を加えた SGD での最大のずれ（丸め誤差、rounding）、ほかのオプティマイザでのずれの範囲（GC はどれでも動いています）、更新量への GC での最大のずれを順に述べています。

# %%
import numpy as np
from gc_tutorial import WeightMeanDrift

images = data.train_images[:64, ::3, ::3].astype("float32") / 255
labels = np.asarray(data.train_labels[:64], "float32")


def drift(optimizer, epochs=3):
    """The largest shift of any weight vector's mean, in a short training from seed 0."""
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input(images.shape[1:]),
        keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
        keras.layers.Conv2D(16, 3, strides=2, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
    model = keras.Sequential(layers)
    model.compile(optimizer, "binary_crossentropy")
    watch = WeightMeanDrift()
    model.fit(images, labels, batch_size=16, epochs=epochs, shuffle=False, verbose=0, callbacks=[watch])
    return watch.drift[-1]


# %%
optimizers = {
    "SGD with momentum": (keras.optimizers.SGD, {"learning_rate": 0.1, "momentum": 0.9}),
    "RMSprop": (keras.optimizers.RMSprop, {"learning_rate": 1e-3}),
    "Adam": (keras.optimizers.Adam, {"learning_rate": 1e-3}),
    "AdamW": (keras.optimizers.AdamW, {"learning_rate": 1e-3, "weight_decay": 0.1}),
    "Lion": (keras.optimizers.Lion, {"learning_rate": 1e-3}),
}
drifts = {
    mode: {name: drift(centralized(one)(**arguments, centralize=mode)) for name, (one, arguments) in optimizers.items()}
    for mode in ("gradient", "update")
}

# %%
import matplotlib.pyplot as plt
from gc_tutorial.plotting import COLOURS, LABELS, show

figure, axis = plt.subplots(figsize=(7, 2.8), layout="constrained")
for mode, marker in {"gradient": "o", "update": "s"}.items():
    axis.plot(drifts[mode].values(), drifts[mode].keys(), marker, ms=8, color=COLOURS[mode], label=LABELS[mode])
axis.set(xscale="log", xlabel="largest shift of a weight vector's mean", title="Only GC on the update holds every mean")
axis.invert_yaxis()
axis.grid(axis="x", alpha=0.3)
axis.legend(loc="center", fontsize=9)
spread = "; ".join(f"{name} {drifts['gradient'][name]:.0e} and {drifts['update'][name]:.0e}" for name in optimizers)
show(
    figure,
    alt=f"Shift of the means with GC on the gradient and with GC on the update, on a logarithmic scale: {spread}.",
)

# %%
from IPython.display import Markdown

adaptive = [drifts["gradient"][name] for name in optimizers if name != "SGD with momentum"]
Markdown(
    f"With GC on the gradient, SGD moved no mean by more than {drifts['gradient']['SGD with momentum']:.0e}, which is "
    f"rounding; the other four moved one by {min(adaptive):.0e} to {max(adaptive):.0e}, though GC ran in all of them. "
    f"With GC on the update the largest shift under any optimizer was {max(drifts['update'].values()):.0e}."
)

# %% [markdown] translates="4448e3c0f1e9"
# ですから、SGD なら、そして `centralize="update"` を付ければこれらのどのオプティマイザでも、GC が動いていることが平均から分かります。勾配への GC を加えた Adam では、GC が動いていても平均は動きます。これは手法についての話で、正解率（accuracy）についての話ではありません。どちらかの方法で**より良い**ネットワークになるかどうかは、[ノートブック 5](05_comparison.ipynb) のような測定で答えるべき問題です。
#
# ## どの軸で平均するのか
#
# GC は、1 つの出力ユニット（output unit）の重みベクトルについて定義されています。そのベクトルがカーネルのどこにあるかは、層によって違います。`layer_axes` は、モデルの層から軸を読み取ります。次の表は、それで計算したものです。
#
# 表の列は、層（layer）、変数（variable）、形（shape）、平均する軸（averaged over）です。left alone は「手を付けない」という意味です。

# %%
import pandas as pd
from gc_tutorial.optimizers import layer_axes
from keras import layers

attention = layers.MultiHeadAttention(num_heads=2, key_dim=3)
examples = {
    "Dense": (layers.Dense(4), (8,)),
    "Conv2D": (layers.Conv2D(4, 3), (9, 9, 2)),
    "DepthwiseConv2D": (layers.DepthwiseConv2D(3), (9, 9, 2)),
    "Conv2DTranspose": (layers.Conv2DTranspose(4, 3), (9, 9, 2)),
    "MultiHeadAttention": (lambda x: attention(x, x), (5, 8)),
    "GRU": (layers.GRU(4), (5, 8)),
    "Embedding": (layers.Embedding(10, 4), (5,)),
    "BatchNormalization": (layers.BatchNormalization(), (8,)),
}

# %%
rows = []
for name, (layer, shape) in examples.items():
    inputs = keras.Input(shape)
    model = keras.Model(inputs, layer(inputs))
    for variable, axes in zip(model.trainable_variables, layer_axes(model).values()):
        if axes is not None or len(variable.shape) > 1:
            averaged = "left alone" if axes is None else ", ".join(map(str, axes))
            variable_name = "/".join(variable.path.split("/")[1:])
            rows.append({"layer": name, "variable": variable_name, "shape": variable.shape, "averaged over": averaged})
pd.DataFrame(rows).set_index("layer")

# %% [markdown] translates="b188f4eb8cb1"
# - デプスワイズ畳み込み（depthwise convolution）のカーネルには、チャネル（channel）ごとに小さなフィルタ（filter）が 1 つあります。平均するのは窓だけ、つまり軸 0 と軸 1 です。
# - 注意機構（attention）のクエリ（query）、キー（key）、バリュー（value）のカーネルは、先に特徴（feature）の軸、次にヘッド（head）の軸があります。平均するのは軸 0 です。
# - 転置畳み込み（transposed convolution）では、出力チャネルが入力チャネルより前にあります。論文の定義のとおり、窓と入力について平均します。（著者のコードは、代わりに 1 つの**入力**チャネルの重みを平均します。）
# - バイアス（bias）には手を付けません。GRU や注意機構の、軸が 2 つあるバイアスも同じです。正規化（normalization）と埋め込み（embedding）にも手を付けません。
#
# オプティマイザが受け取るのは、層ではなく変数です。組み立てられるときに、それぞれの変数をもつ層を探し、層のクラスから軸を決めます。しかし、自分で書いた層の重みは、`kernel` という名前でなければ、その意味を知りようがありません。そのような重みには手を付けず、警告で名前を挙げます。
#
# 出力は、重みの変化の平均をチャネルごとに示したものです。without は軸を指定しない場合、with は指定した場合で、その間の文が警告です。

# %%
import warnings


class Stem(layers.Layer):
    """A layer of our own: one 3×3 filter for each channel."""

    def build(self, shape):
        self.filters = self.add_weight(shape=(3, 3, shape[-1]), name="filters")

    def call(self, inputs):
        return keras.ops.depthwise_conv(inputs, self.filters[..., None])


stem = keras.Sequential([keras.Input((9, 9, 2)), Stem(name="stem")])
gradients = [np.random.default_rng(0).normal(size=variable.shape) for variable in stem.trainable_variables]


def channel_means(axes):
    """The mean of each channel's filter in what one step of `GCSGD` does to the stem."""
    before = stem.get_weights()
    gc_tutorial.GCSGD(learning_rate=1.0, axes=axes).apply(gradients, stem.trainable_variables)
    change = before[0] - stem.get_weights()[0]
    stem.set_weights(before)
    return np.abs(change.mean(axis=(0, 1)).ravel()).round(6)


with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print("without `axes`:", channel_means(None))
print(caught[0].message)
print("with `axes`:", channel_means({"filters": (0, 1)}))

# %% [markdown] translates="e3e36b90991c"
# `axes` がなければ、どちらの変化の平均もゼロになりません。GC がフィルタに手を付けなかったからです。`axes={"filters": (0, 1)}` を渡せば、どちらもゼロになります。キーは変数のパスか、その中のパターンです。`layer_axes(model)` は、すべての変数の軸を示します。手を付けない変数があれば、訓練の前に `optimizer.exclude_from_centralization(var_names=["stem"])` を呼びます。`conv_only=True` は、著者のコードでもできるように、GC を畳み込みだけに限ります。
#
# ## ほかのバックエンドで
#
# Keras は TensorFlow、JAX、PyTorch の上で動きます。どれを使うかは、Keras がインポートされるときに決まります。そこで、次のプログラムはまずここで動き、それから、**インストールされている**ほかのバックエンドごとに、専用のプロセスで動きます。プログラムはどれでも同じです。`make test-backends` は、JAX と PyTorch をインストールし、その両方でオプティマイザのテストを実行します。
#
# 出力の行は、バックエンドの名前に続けて、重みが最大でどれだけ動き、その平均がどれだけ動いたかを示しています。not installed here は「ここにはインストールされていない」という意味です。

# %%
program = """
import keras, numpy as np
from gc_tutorial import GCSGD
keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4), keras.layers.Dense(1)])
model.compile(GCSGD(learning_rate=0.1, momentum=0.9), "mse")
before = model.get_weights()[0]
model.fit(np.random.rand(64, 8), np.random.rand(64, 1), epochs=5, verbose=0)
after = model.get_weights()[0]
shift = np.abs((after - before).mean(axis=0)).max()
print(f"{keras.backend.backend()}: weights moved by up to {np.abs(after - before).max():.2f}, their means by {shift:.0e}")
"""

# %%
exec(program)

# %%
import importlib.util
import os
import subprocess
import sys

for backend in sorted({"tensorflow", "jax", "torch"} - {keras.backend.backend()}):
    if importlib.util.find_spec(backend):
        environment = {**os.environ, "KERAS_BACKEND": backend}
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
        print(done.stdout or done.stderr, end="")
    else:
        print(f"{backend}: not installed here; `pip install {backend}` and run this cell again")

# %% [markdown] translates="848793f747d7"
# ## 練習問題
#
# 重み減衰（weight decay）は、ステップごとにすべての重みを少し縮めます。それによって、重みの平均は動くでしょうか。モーメンタム（momentum）付きの SGD と `weight_decay=0.1` について、`drift` を使って調べてください。重み減衰なしの場合、重み減衰ありの場合、さらに `centralize="update"` を加えた場合です。そして、その結果になる理由を説明してください。
#
# <details><summary>解答例</summary>
#
# ```python
# from gc_tutorial import GCSGD
#
# common = {"learning_rate": 0.1, "momentum": 0.9}
# print(drift(GCSGD(**common)))
# print(drift(GCSGD(**common, weight_decay=0.1)))
# print(drift(GCSGD(**common, weight_decay=0.1, centralize="update")))
# ```
#
# Keras の `weight_decay` は分離型（decoupled）です。重みそのものにかけられ、勾配には含まれません。勾配への GC はその前に行われるので、重み減衰を打ち消すことができません。そのため、2 番目のずれは 1 番目よりはるかに大きくなります。更新量への GC はほかのすべてのあとに行われ、平均を元に戻します。L2 ペナルティ（L2 penalty、`kernel_regularizer`）は違います。損失（loss）の一部なので勾配の一部でもあり、勾配と一緒に中心化されます。
#
# </details>

# %% [markdown] translates="c6f1649bde2b"
# ## この章のまとめ
#
# - `centralized(AnyOptimizer)` は、Keras のどのオプティマイザにも GC を加えます。使うのは、すべてのオプティマイザに共通する 1 つのメソッドです。
# - ここで試した 5 つのオプティマイザのうち、勾配への GC で重みの平均を保つのは SGD だけです。更新量への GC なら、5 つとも保ちます。
# - 何を平均するかは、層によって違います。オプティマイザは変数ごとに層を見つけ、分からないことは `axes` で教えられます。
# - 同じコードを、TensorFlow では `make test` が、JAX と PyTorch では `make test-backends` がテストしています。
#
# [比較](05_comparison.ipynb) に戻るか、自分のプロジェクトで GC を使ってください。
