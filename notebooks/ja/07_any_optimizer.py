# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] translates="0738185cf508"
# # 7. どのオプティマイザでも
#
# **勾配中心化（GC）を、自分のコードで使いましょう。オプティマイザも、層も、バックエンドも、今使っているもののままでかまいません。**
#
# 所要時間は、CPU 2 コアで 1 分以内です。GPU は要りません。
#
# [Colab で開く](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/07_any_optimizer.ipynb) · [Binder で開く](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/ja/07_any_optimizer.ipynb) · [Kaggle で開く](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/07_any_optimizer.ipynb) · [Codespaces で開く](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [nbviewer で読む](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/07_any_optimizer.ipynb) · [English](../07_any_optimizer.ipynb)
#
# このノートブックで行うこと
#
# - Keras のどのオプティマイザにも、1 回の呼び出しで GC を加えます。
# - GC なし、勾配への GC、更新量への GC のそれぞれで、重みの平均を保つのはどのオプティマイザかを見ます。
# - カーネルごとにどの軸で平均するのか、また、それがオプティマイザには分からないときにどうすればよいのかを見ます。

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

# %% [markdown] translates="ef6a5f83ac2b"
# ## 自分のコードで使う
#
# `GCSGD`、`GCRMSprop`、`GCAdam`、`GCAdamW` は、すぐに使えます。Keras のほかのオプティマイザには、`centralized` で GC を加えます。引数は、どれも元のオプティマイザと同じです。パッケージをインストールしたくないときは、その中のファイル `gc_tutorial/optimizers.py` をコピーしてください。必要なのは Keras だけです。GC が重み減衰や勾配のクリッピングとどう作用し合うか、トランスフォーマーでは何をするかは、[よくある質問](../../docs/faq.md)（英語）にあります。

# %%
import keras
from gc_tutorial import centralized

GCNadam = centralized(keras.optimizers.Nadam)
optimizer = GCNadam(learning_rate=1e-3)

# %% [markdown] translates="6f7ba1a43640"
# ## 勾配か、更新量か
#
# ノートブック 4 で見たように、GC を加えた SGD では、重みベクトルの平均は一定のままです。どのステップも、平均がゼロの勾配を定数倍して足し合わせたものだからです。一方、RMSprop や Adam は、勾配の成分をそれぞれ別のスケールで割ります。Lion は、勾配の移動平均（moving average）の成分の符号だけを残します。そのため、勾配の平均がゼロでも、更新量の平均はゼロではありません。中心化のしかたは 2 つあります。
#
# - `centralize="gradient"` は既定の設定で、論文のやり方です。オプティマイザが**勾配**を使う前に、勾配からその平均を引きます。
# - `centralize="update"` は、オプティマイザが重みに加える変化から、その平均を引きます。論文の著者は、コードに添えた注記で、適応的なオプティマイザ（adaptive optimizer）にはこちらを勧めています。
#
# 平均に注目するのには、実用上の理由が 1 つあります。平均が一定のままなら、GC が実行されていることを、重みだけから証明できるのです。平均を一定に保つことが訓練の役に立つのかどうかは、分かっていません。
#
# `centralize=None` なら、GC を加えないオプティマイザになります。この 3 つのうち、どれをどのオプティマイザで使えば、重みの平均が保たれるのでしょうか。畳み込み層が 2 つのネットワークを、64 枚の小さな画像で訓練してみましょう。
#
# 次の図の横軸は対数目盛りです。

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
    optimizer.build(model.trainable_variables)  # otherwise Keras on TensorFlow traces the first step twice
    watch = WeightMeanDrift()
    model.fit(images, labels, batch_size=16, epochs=epochs, shuffle=False, verbose=0, callbacks=[watch])
    return watch.drift[-1]


# %%
from gc_tutorial import text

WITH_MOMENTUM = text("SGD with momentum")
optimizers = {
    WITH_MOMENTUM: (keras.optimizers.SGD, {"learning_rate": 0.1, "momentum": 0.9}),
    "RMSprop": (keras.optimizers.RMSprop, {"learning_rate": 1e-3}),
    "Adam": (keras.optimizers.Adam, {"learning_rate": 1e-3}),
    "AdamW": (keras.optimizers.AdamW, {"learning_rate": 1e-3, "weight_decay": 0.1}),
    "Lion": (keras.optimizers.Lion, {"learning_rate": 1e-3}),
}
drifts = {
    arm: {name: drift(centralized(one)(**arguments, centralize=mode)) for name, (one, arguments) in optimizers.items()}
    for arm, mode in {"none": None, "gradient": "gradient", "update": "update"}.items()
}

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
from gc_tutorial.plotting import COLOURS, LABELS, MARKERS, WIDTH, set_title, show

figure, axis = plt.subplots(figsize=(WIDTH, 3.6), layout="constrained")
for arm, shifts in drifts.items():
    axis.plot(shifts.values(), shifts.keys(), MARKERS[arm], ms=9, color=COLOURS[arm], label=LABELS[arm], alpha=0.8)
axis.set(xscale="log", xlabel="largest shift of a weight vector's mean")
axis.invert_yaxis()
axis.grid(axis="x", alpha=0.3)
figure.legend(loc="outside lower center", ncols=3, frameon=False, columnspacing=1, handletextpad=0.2)
set_title(figure, "Only GC on the update keeps the means under all five optimizers")
spread = text("; ").join(
    f"{name} " + text(", ").join(f"{drifts[arm][name]:.0e}" for arm in drifts) for name in optimizers
)
alt = "Shift of the means without GC, with GC on the gradient and with GC on the update, on a logarithmic scale: {spread}."
show(figure, alt=text(alt, spread=spread))

# %%
from IPython.display import Markdown

adaptive = [drifts["gradient"][name] for name in optimizers if name != WITH_MOMENTUM]
Markdown(
    text(
        "Without GC, every optimizer moves a mean by at least {none:.0e}. With GC on the gradient, SGD moves no mean by more than "
        "{sgd:.0e}, which is rounding. The other four move one by {least:.0e} to {most:.0e}, although GC runs in all of them. With "
        "GC on the update, no optimizer moves a mean by more than {update:.0e}.",
        none=min(drifts["none"].values()),
        sgd=drifts["gradient"][WITH_MOMENTUM],
        least=min(adaptive),
        most=max(adaptive),
        update=max(drifts["update"].values()),
    )
)

# %% [markdown] translates="aada5a16a193"
# したがって、SGD ではどちらの GC でも、ここに挙げたほかのオプティマイザでは `centralize="update"` を付けたときに限って、GC が実行されていることが平均から分かります。勾配への GC を加えた Adam では、GC が実行されていても平均は動きます。ただし、勾配への GC と更新量への GC のどちらで**よりよい**ネットワークが得られるかは、平均からは分かりません。[ノートブック 5](05_comparison.ipynb) のために学習率を選ぶ実験 A では、どちらの GC も、7 通りの学習率で、5 個ずつのシードを使って訓練しました。SGD を除いた、RMSprop と Adam の結果は次のとおりです。

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.names import value_name
from gc_tutorial.study.evidence.outcomes import reduce_runs
from gc_tutorial.study.evidence.tuning import tuned_rates
from gc_tutorial.study.tables import load_table

tuning = reduce_runs(load_table("A_tuning")).query("epochs == 12 and arm != 'none' and optimizer != 'sgd'")
lowest = tuned_rates(tuning).pivot(index="optimizer", columns="arm", values="value").loc[["rmsprop", "adam"]]
exploded = (tuning["diverged"] | (tuning["clean_loss"] > 1)).groupby(tuning["arm"])

# %% tags=["hide-input"]
losses = "{name}: the training loss at the best rate is {gradient:.2f} with GC on the gradient and {update:.2f} with GC on the update."
counts = (
    "{gradient} of {of_gradient} runs with GC on the gradient diverged or ended with a loss above 1, and {update} of {of_update} "
    "runs with GC on the update."
)
found = [text(losses, name=value_name("optimizer", name), **row) for name, row in lowest.iterrows()]
found.append(text(counts, **exploded.sum(), **exploded.size().add_prefix("of_")))
Markdown("\n".join(f"- {one}" for one in found))

# %% [markdown] translates="5bea008665c9"
# SGD なら、既定の設定を使ってください。重み減衰もクリッピングもなければ、どちらの GC でも、ステップは丸め誤差を除いて同じになります。RMSprop と Adam では、どちらの GC がよいとも言えません。論文の著者は、更新量のほうを勧めています。上の訓練は学習率を選ぶためだけのもので、そこからは何も主張しません。最初に行った、学習率を調整しない RMSprop の実験では、訓練損失を見ても、2 つの GC に違いがあるとは言えませんでした（[よくある質問](../../docs/faq.md)、英語）。新しいシードと調整した学習率を使う実験では、勾配への GC だけを試しています。
#
# ## どの軸で平均するのか
#
# GC は、1 つの出力ユニットの重みベクトルについて定義されています。カーネルのどの軸がそのベクトルを作るかは、層によって違います。`layer_axes` は、モデルの層から軸を読み取ります。次のセルは、それを使って表を計算します。

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
rows, columns = [], [text("layer"), text("variable"), text("shape"), text("averaged over")]
for name, (layer, shape) in examples.items():
    inputs = keras.Input(shape)
    model = keras.Model(inputs, layer(inputs))
    for variable, axes in zip(model.trainable_variables, layer_axes(model).values()):
        if axes is not None or len(variable.shape) > 1:
            averaged = text("left alone") if axes is None else ", ".join(map(str, axes))
            variable_name = "/".join(variable.path.split("/")[1:])
            rows.append([name, variable_name, variable.shape, averaged])
pd.DataFrame(rows, columns=columns).set_index(columns[0])

# %% [markdown] translates="0de7821a01f9"
# - デプスワイズ畳み込みのカーネルには、チャネルごとに小さなフィルタが 1 つあります。平均するのは窓の 2 つの軸、つまり軸 0 と軸 1 だけです。
# - 注意機構のクエリ、キー、バリューのカーネルでは、特徴（feature）の軸が先、ヘッドの軸があとです。平均するのは軸 0 です。
# - 転置畳み込み（transposed convolution）では、出力チャネルが入力チャネルより前にあります。論文の定義のとおり、窓と入力について平均します。（著者のコードは、代わりに 1 つの**入力**チャネルの重みを平均します。）
# - バイアスには手を付けません。GRU や注意機構の、軸が 2 つあるバイアスも同じです。正規化（normalization）の層のスケールとオフセットも、同じ理由で、つまりユニットごとに 1 つしかないので、そのままにします。埋め込みにも手を付けません（理由は[ノートブック 4](04_gradient_centralization.ipynb) で述べています）。
#
# オプティマイザが受け取るのは、層ではなく変数です。そこで、オプティマイザは、組み立てられる（build）ときに、それぞれの変数がどの層のものかを調べ、層のクラスから軸を決めます。しかし、自分で書いた層の重みについては、`kernel` という名前でなければ、オプティマイザはその意味を知りようがありません。そのような重みには手を付けず、警告で名前を挙げます。
#
# 出力は、重みの変化の平均をチャネルごとに示したものです。ただし、2 行目は、パッケージの警告を伝えるものです。

# %%
import warnings


class Stem(layers.Layer):
    """A custom layer: one 3×3 filter for each channel."""

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
    print(text("without `axes`: {means}", means=channel_means(None)))
print(
    text(
        "warnings: {count}. GC leaves {name} alone, since it is not known which axes make up a weight vector.",
        count=len(caught),
        name=stem.trainable_variables[0].path,
    )
)
print(text("with `axes`: {means}", means=channel_means({"filters": (0, 1)})))

# %% [markdown] translates="638157b4515d"
# `axes` がなければ、変化の平均は、どちらのチャネルでもゼロになりません。GC がフィルタに手を付けなかったからです。`axes={"filters": (0, 1)}` を渡せば、どちらもゼロになります。キーは変数のパスか、パスと照合する正規表現です（パスの一部に一致すれば足ります）。`layer_axes(model)` は、すべての変数の軸を示します。変数に手を付けずにおきたいときは、訓練の前に `optimizer.exclude_from_centralization(var_names=["stem"])` を呼びます。`conv_only=True` は、GC を畳み込みだけに限ります。これは著者のコードにもあるオプションです。
#
# ## ほかのバックエンドで
#
# Keras は TensorFlow、JAX、PyTorch のどれでも使えます。どのバックエンドを使うかは、Keras がインポートされるときに決まります。そこで、次のプログラムは、まずこのノートブックの中で、それから、**インストールされている**ほかのバックエンドごとに別のプロセスで実行されます。プログラムはどれでも同じですが、重みの初期値は、シードが同じでも、バックエンドごとに違います。そのため、重みの動く大きさも違ってきます。`make test-backends` は、JAX と PyTorch をインストールし、その両方でオプティマイザのテストを実行します。

# %%
program = """
import keras, numpy as np
from gc_tutorial import GCSGD, text
keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4), keras.layers.Dense(1)])
model.compile(GCSGD(learning_rate=0.1, momentum=0.9), "mse")
before = model.get_weights()[0]
model.fit(np.random.rand(64, 8), np.random.rand(64, 1), epochs=5, verbose=0)
after = model.get_weights()[0]
moved, shift = np.abs(after - before).max(), np.abs((after - before).mean(axis=0)).max()
said = "{backend}: weights moved by up to {moved:.2f}, their means by {shift:.0e}"
print(text(said, backend=keras.backend.backend(), moved=moved, shift=shift))
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
        print(text("{backend}: not installed here; `pip install {backend}` and run this cell again", backend=backend))

# %% [markdown] translates="c51bd19a3647"
# ## 練習問題
#
# 重み減衰（weight decay）は、ステップごとにすべての重みを少し縮めます。それによって、重みの平均は動くでしょうか。モーメンタム付きの SGD と `weight_decay=0.1` について、`drift` を使って調べてください。比べるのは、勾配への GC で重み減衰なしの場合、同じく重み減衰ありの場合、重み減衰ありで `centralize="update"` とした場合です。そして、結果がそうなる理由を説明してください。
#
# 次のセルが解答例です。折りたたんであるので、まず自分で解いてから開いてください。

# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title Solution
from gc_tutorial import GCSGD

common = {"learning_rate": 0.1, "momentum": 0.9}
no_decay = drift(GCSGD(**common))
decay = drift(GCSGD(**common, weight_decay=0.1))
update = drift(GCSGD(**common, weight_decay=0.1, centralize="update"))
answer = "Answer: the means move by {no:.0e} without decay, by {decay:.0e} with it, and by {update:.0e} with GC on the update."
print(text(answer, no=no_decay, decay=decay, update=update))
print(
    text(
        "Keras applies weight decay to the weights themselves, after GC on the gradient. So GC on the gradient cannot undo it."
    )
)
print(text("GC on the update comes after weight decay, and removes the shift of the means."))

# %% [markdown] translates="f31e9abbdcd5"
# ## このノートブックのまとめ
#
# - `centralized(AnyOptimizer)` は、Keras のどのオプティマイザにも GC を加えます。使うのは、すべてのオプティマイザに共通する 1 つのメソッドです。
# - ここで試した 5 つのオプティマイザのうち、勾配への GC で重みの平均を保つのは SGD だけです。更新量への GC なら、5 つとも保ちます。
# - どの軸で平均するかは、層によって違います。オプティマイザは変数ごとに層を見つけます。オプティマイザに分からないことは、`axes` で指定します。
# - 同じコードを、TensorFlow では `make test` が、JAX と PyTorch では `make test-backends` がテストしています。
#
# 次は [8. 何を変え、なぜ効くと考えられるのか](08_why_it_works.ipynb) です。[比較](05_comparison.ipynb) に戻っても、自分のプロジェクトで GC を使い始めてもかまいません。
