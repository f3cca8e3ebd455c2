# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] translates="12a56e1c1cb2"
# # 3. CNN
#
# **公開されている例のネットワークを組み立て、勾配集中化（Gradient Centralization、GC）を使わずに訓練し、一度も見せていない画像での成績を見守りましょう。**
#
# `standard` プロファイルでは、プロセッサ 2 コアで 1〜2 分かかります。GPU は要りません。
#
# [Colab で開く](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/03_cnn.ipynb) · [Binder で開く](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/ja/03_cnn.ipynb) · [Kaggle で開く](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/03_cnn.ipynb) · [Codespaces で開く](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [nbviewer で読む](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/03_cnn.ipynb) · [English](../03_cnn.ipynb)
#
# このノートブックで行うこと
#
# - 5 つのブロック（block）からなる畳み込みニューラルネットワーク（convolutional network、CNN）を組み立て、その中でデータの形がどう変わるかをたどります。
# - RMSprop で訓練し、エポック（epoch）が終わるたびに、訓練に使わずに取り分けた評価用画像（held-out images）で評価します。
# - 評価用画像での曲線 1 本を、どこまで信用してよいのかを確かめます。

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

# %% [markdown] translates="aa6c3bf934d7"
# ## ネットワーク
#
# 3×3 の畳み込み（convolution）と 2×2 のプーリング（pooling）を 5 回繰り返します。畳み込みではパディング（padding）を使わないので、そのたびに上下左右の端が 1 画素ずつ削られ、プーリングでは、そのたびに残りの縦横が半分になります。ドロップアウト（dropout）は 3 か所にあり、訓練中に活性（activation）の半分をランダムにゼロにします。最後にあるのは、512 ユニットの全結合層（dense layer）と 1 つの出力です。出力は、画像に写っているのが人である確率を表します。
#
# 画像は 0 から 255 までの整数のまま届き、最初の層がそれを 0 から 1 までの値に直します。この計算は、訓練を行うプロセッサや GPU の上で行われます。

# %%
import keras
from keras import layers

keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.Input((settings.image_size, settings.image_size, 3)),
        layers.Rescaling(1 / 255),
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(32, 3, activation="relu"),
        layers.Dropout(0.5),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, activation="relu"),
        layers.Dropout(0.5),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(512, activation="relu"),
        layers.Dense(1, activation="sigmoid"),
    ]
)

# %% [markdown] translates="4d27cbb93eb6"
# このネットワークには、どんなカーネル（kernel）があるでしょうか。どのカーネルでも、最後の軸がその層の出力ユニット（output unit）に対応し、残りの軸をすべて合わせたものが 1 つのユニットの**重みベクトル**（weight vector）になります。次の表を覚えておいてください。勾配集中化は、まさにこのベクトルごとに行われます。
#
# 表の列は左から、層の名前、出力の形、カーネルの形、重みベクトルの数（weight vectors）、そのそれぞれの長さ（length of each）です。

# %%
import pandas as pd

shapes = [
    (layer.name, layer.output.shape[1:], layer.kernel.shape) for layer in model.layers if hasattr(layer, "kernel")
]
kernels = pd.DataFrame(shapes, columns=["layer", "output", "kernel"])
kernels["weight vectors"] = [kernel[-1] for kernel in kernels["kernel"]]
kernels["length of each"] = [int(pd.Series(kernel[:-1]).prod()) for kernel in kernels["kernel"]]
kernels

# %% [markdown] translates="f11a172bf2aa"
# このあとのノートブックは、このネットワークを `build_cnn` という名前で読み込みます。公開されているサイズの 300×300 ピクセルにすると、パラメータ（parameter）の数は、公開されているネットワークと同じになります。そのほとんどは最初の全結合層にあります。512 個のユニットのそれぞれが、最後のプーリングが残す値のすべてに対して重み（weight）をもつからです。その数は画像が大きいほど多くなります。次のセルは、それぞれのサイズでのパラメータの数と、公開されているサイズでいちばん大きい層の分（most of them in one layer）を出力します。

# %%
from gc_tutorial import build_cnn

print(f"at {settings.image_size}×{settings.image_size}: {model.count_params():,} parameters")
at_300 = build_cnn(300)
print(f"at 300×300: {at_300.count_params():,} parameters")
largest = max(at_300.layers, key=lambda layer: layer.count_params())
print(f"most of them in one layer: {largest.count_params():,} in the one of {largest.units} units")

# %% [markdown] translates="d1a84c16ffec"
# ## 訓練
#
# 公開されている例と同じく、RMSprop、二値交差エントロピー（binary cross-entropy）、正解率（accuracy）を使います。公開されている学習率（learning rate）の 0.0001 は、プロファイル（profile）`full` のものです。ほかのプロファイルではバッチ（batch）が小さいので 0.001 とし、少ないエポック数でも学習の様子が見えるようにします。`validation_data` を渡すと、Keras はエポックが終わるたびに評価用画像で評価します。公開されている例では、この評価が省かれています。`TimeHistory` は、各エポックの訓練にかかった時間を記録します。
#
# 出力には、エポックごとに、訓練用画像（training images）での正解率（accuracy）と損失（loss）、評価用画像での正解率（val_accuracy）と損失（val_loss）が並びます。

# %%
from gc_tutorial import TimeHistory, training_batches

model.compile(
    optimizer=keras.optimizers.RMSprop(settings.learning_rate), loss="binary_crossentropy", metrics=["accuracy"]
)
times = TimeHistory()
history = model.fit(
    training_batches(data.train_images, data.train_labels, settings.batch_size, seed=0),
    validation_data=data.test.batch(128),
    epochs=settings.epochs,
    callbacks=[times],
    shuffle=False,  # the pipeline shuffles already
    verbose=2,
)

# %% [markdown] translates="31770817b5db"
# ## 曲線
#
# 次の図は、エポック（横軸）ごとの損失（左）と正解率（右）です。実線が訓練用画像、破線が評価用画像です。見出しは、GC なしの訓練で、最後のエポックのあとに評価用画像の何 % に正解したかを述べています。図の下の文は、訓練にかかった秒数、最後の正解率、エポックによって正解率が動いた範囲を順に述べ、最後に、でたらめに答えたときの正解率を挙げています。

# %%
import matplotlib.pyplot as plt
from gc_tutorial.plotting import COLOURS, show

epochs = range(1, settings.epochs + 1)
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for axis, measure in zip(axes, ("loss", "accuracy")):
    axis.plot(epochs, history.history[measure], "o-", color=COLOURS["none"], label="training images")
    axis.plot(epochs, history.history[f"val_{measure}"], "s--", color=COLOURS["none"], label="held-out images")
    axis.set(xlabel="epoch", ylabel=measure, xticks=epochs)
    axis.grid(alpha=0.3)
axes[0].legend()
right = history.history["val_accuracy"][-1]
figure.suptitle(f"Without GC: {right:.0%} of the held-out pictures right after {settings.epochs} epochs")
show(figure, alt="Loss and accuracy of each epoch, on training images and on held-out images.")

# %%
from IPython.display import Markdown

accuracy = history.history["val_accuracy"]
Markdown(
    f"After {settings.epochs} epochs ({sum(times.train_seconds):.0f} seconds of training on this machine) the model is right "
    f"on **{accuracy[-1]:.0%}** of the held-out pictures; from epoch to epoch that figure lay between {min(accuracy):.0%} and "
    f"{max(accuracy):.0%}. Guessing would give about 50%."
)

# %% [markdown] translates="5f5b7651705c"
# このような曲線を読むときの注意が 2 つあります。訓練用画像の曲線は、ドロップアウトが働いているネットワークの、データ拡張（augmentation）をした画像での値を、エポック**全体**にわたって平均したものです。評価用画像の曲線は、エポックの**終わり**に、ドロップアウトなしで、元のままの画像で測ったものです。ですから、過学習（overfitting）がまったくなくても、2 つの曲線が一致するとは限りません。また、正解率がちょうど 50% のときは、たいてい、モデルがどの画像にも同じ答えを出しています。
#
# ## 1 本の曲線をどこまで信用できるか
#
# ここまでは、たった **1 回**の訓練でした。次に、パッケージに付属する実験（study）から、GC なしの訓練を示します（150×150 ピクセル、本物の画像。実験の全体はノートブック 5 にあります）。方法はどれも同じで、線の 1 本 1 本が 1 つのシード（seed、乱数の出発点）にあたります。
#
# このばらつきは、どこから来るのでしょうか。訓練どうしで違うのは、初期の重み、画像の順序、データ拡張だけです。それで評価正解率（held-out accuracy）がこれほど変わる理由は、ここでは測っていません。評価用画像の白い背景は、考えられる理由の 1 つです。
#
# 図の横軸はエポック、縦軸は評価正解率です。見出しは、同じ 1 つの方法で、シードがいくつあり、隣り合うエポックの間で評価正解率が最大で何ポイント跳ぶかを述べています。

# %%
from gc_tutorial.study.analysis import load_study

study = load_study("rmsprop")
repeats = study[study["arm"] == "none"].pivot(index="epoch", columns="seed", values="test_accuracy")
jump = 100 * repeats.diff().abs().max().max()
figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
axis.plot(repeats.index, 100 * repeats, color=COLOURS["none"], alpha=0.4)
axis.set(xlabel="epoch", ylabel="held-out accuracy (%)")
axis.set_title(f"One method, {repeats.shape[1]} seeds: jumps of up to {jump:.0f} points between epochs")
show(figure, alt="Held-out accuracy by epoch for every seed of the study without GC; the lines cross and jump.")

# %% [markdown] translates="a3e331775565"
# ## 個々の画像に、モデルは何と答えるか
#
# それぞれの画像の上に、正しいクラス（horses は馬、humans は人）、モデルの答え（model）、その答えの確率が書かれています。図の見出しは、ここに並ぶ評価用画像のうち何枚に正解したかを述べています。

# %%
import numpy as np
from gc_tutorial.plotting import image_grid

pictures, truth = next(iter(data.test.shuffle(256, seed=1).batch(12)))
probability = model.predict(pictures, verbose=0)[:, 0]
names = data.info.features["label"].names
titles = [f"{names[k]}\nmodel: {names[int(p > 0.5)]}, {max(p, 1 - p):.0%}" for k, p in zip(truth.numpy(), probability)]
right = int(np.sum((probability > 0.5) == truth.numpy()))
show(
    image_grid(pictures.numpy(), titles, title=f"Right on {right} of these 12 held-out pictures"),
    alt=f"Twelve held-out pictures with their class and what the model says; {right} of them are right.",
)

# %% [markdown] translates="0ee4f13ecb98"
# ## 練習問題
#
# 同じネットワークを、別のシードでもう一度訓練し（重みとバッチの**両方**を変えます）、最後の評価正解率を比べてください。1 回ずつの訓練だけから「改善した」と信じるには、差がどのくらい大きくなければならないでしょうか。
#
# <details><summary>解答例</summary>
#
# ```python
# keras.utils.set_random_seed(1)
# again = build_cnn(settings.image_size)  # a new model: compile alone would keep the old weights
# again.compile(keras.optimizers.RMSprop(settings.learning_rate), "binary_crossentropy", metrics=["accuracy"])
# second = again.fit(
#     training_batches(data.train_images, data.train_labels, settings.batch_size, seed=1),
#     validation_data=data.test.batch(128), epochs=settings.epochs, shuffle=False, verbose=0,
# )
# print(accuracy[-1], second.history["val_accuracy"][-1])
# ```
#
# この差は、シードだけから生じたものです。信じてよいのは、これより大きく、しかもいくつものシードで見られた改善だけです。
#
# </details>

# %% [markdown] translates="5e0014b982bb"
# ## この章のまとめ
#
# - 公開されている CNN と、その重みベクトルを見ました。重みベクトルは、どのカーネルにも、出力ユニット 1 つにつき 1 つあります。
# - 評価用画像での成績を見守りながら訓練しました。評価用画像の背景は白ですが、訓練用画像の背景は白ではありません。
# - 1 回の訓練では、ほとんど何も証明できません。
#
# 次は [4. 勾配集中化](04_gradient_centralization.ipynb) です。手法そのものを扱います。
