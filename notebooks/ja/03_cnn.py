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

# %% [markdown] translates="0a04d878f2da"
# # 3. CNN
#
# **公開例のネットワークを組み立て、勾配中心化（GC）を使わずに訓練し、訓練で見せていない画像で評価しましょう。**
#
# `standard` プロファイルでは、CPU 2 コアで約 1 分かかります。GPU は要りません。
#
# [Colab で開く](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/03_cnn.ipynb) · [Binder で開く](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/ja/03_cnn.ipynb) · [Kaggle で開く](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/03_cnn.ipynb) · [Codespaces で開く](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [nbviewer で読む](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/03_cnn.ipynb) · [English](../03_cnn.ipynb)
#
# このノートブックで行うこと
#
# - 5 つのブロックからなる畳み込みニューラルネットワーク（convolutional network、CNN）を組み立て、その出力と重みの形を見ます。
# - RMSprop で訓練し、エポックが終わるたびに、訓練に使わずに取り分けた評価用画像で評価します。
# - 評価用画像での曲線 1 本を、どこまで信用してよいのかを確かめます。
#
# 「公開例」とは、最終更新日が 2023-07-25 の版の [Keras の勾配中心化の例](https://keras.io/examples/vision/gradient_centralization/)のことです（[ノートブック 1](01_data.ipynb)）。

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

# %% [markdown] translates="3ede71f44f0d"
# ## ネットワーク
#
# ネットワークには 5 つのブロックがあり、どのブロックも 3×3 の畳み込み（convolution）と 2×2 のプーリングからなります。パディングを使わないので、畳み込みのたびに上下左右の端が 1 画素ずつ削られ、プーリングのたびに残りの縦横が半分になります。ドロップアウトは 3 か所にあり、訓練中に活性化値（activation）の半分をランダムにゼロにします。最後にあるのは、512 ユニットの全結合層（dense layer）と 1 つの出力です。出力は、画像に写っているのが人である確率を表します。
#
# 入力される画像は 0 から 255 までの整数のままで、最初の層がそれを 0 から 1 までの値に直します。この計算は、訓練を行う CPU や GPU の上で行われます。

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

# %% [markdown] translates="0ab22786d526"
# 次の表は、カーネルの一覧です（kernel の列は、カーネルの形です）。どのカーネルでも、最後の軸がその層の出力ユニット（output unit）に対応し、残りの軸をすべて合わせたものが 1 つのユニットの**重みベクトル**になります。この表を覚えておいてください。勾配中心化は、このベクトルごとに行われます。

# %%
import pandas as pd
from gc_tutorial import text

shapes = [
    (layer.name, layer.output.shape[1:], layer.kernel.shape) for layer in model.layers if hasattr(layer, "kernel")
]
kernels = pd.DataFrame(shapes, columns=[text("layer"), text("output"), "kernel"])
kernels[text("weight vectors")] = [kernel[-1] for kernel in kernels["kernel"]]
kernels[text("length of each")] = [int(pd.Series(kernel[:-1]).prod()) for kernel in kernels["kernel"]]
kernels

# %% [markdown] translates="8f7c1b876c92"
# このあとのノートブックでは、このネットワークを `build_cnn` という名前でインポートします。画像を公開例と同じ 300×300 ピクセルにすると、パラメータの数も、公開例のネットワークと同じになります。そのほとんどは最初の全結合層にあります。512 個のユニットのそれぞれが、最後のプーリングから出てくる値の 1 つ 1 つに対して重みをもつからです。この値の数は、画像が大きいほど多くなります。

# %%
from gc_tutorial import build_cnn

at_300 = build_cnn(300)
for size, network in ((settings.image_size, model), (300, at_300)):
    print(text("at {size}×{size}: {count:,} parameters", size=size, count=network.count_params()))
largest = max(at_300.layers, key=lambda layer: layer.count_params())
said = {"units": largest.units, "count": largest.count_params()}
print(text("of these in the dense layer of {units} units: {count:,}", **said))

# %% [markdown] translates="920515fb7e98"
# ## 訓練
#
# オプティマイザは RMSprop、損失は二値交差エントロピー（binary cross-entropy）、評価の指標は正解率で、どれも公開例と同じです。公開例の学習率 0.0001 を使うのは、プロファイル `full` です。ほかのプロファイルではバッチが小さく、学習率は、少ないエポック数でも学習の様子が見えるように 0.001 としています。
#
# `validation_data` を渡すと、Keras はエポックが終わるたびに評価用画像で評価します。公開例では、この評価を行っていません。このノートブックの評価用画像は、いつも[ノートブック 1](01_data.ipynb) の**背景が白い画像**です。`TimeHistory` は、各エポックの訓練にかかった時間を記録します。
#
# 出力には、エポックごとに、訓練用画像での正解率（accuracy）と損失（loss）、評価用画像での正解率（val_accuracy）と損失（val_loss）が並びます。

# %%
from gc_tutorial import TimeHistory, training_batches

model.compile(
    optimizer=keras.optimizers.RMSprop(settings.learning_rate), loss="binary_crossentropy", metrics=["accuracy"]
)
times = TimeHistory()
print(text("learning rate: {rate:g}", rate=settings.learning_rate))
history = model.fit(
    training_batches(data.train_images, data.train_labels, settings.batch_size, seed=0),
    validation_data=data.test.batch(128),
    epochs=settings.epochs,
    callbacks=[times],
    shuffle=False,  # the pipeline shuffles already
    verbose=2,
)

# %% [markdown] translates="31770817b5db"
# ## 学習曲線
#
# 次の図の実線は訓練用画像、破線は評価用画像での値です。

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import PercentFormatter
from gc_tutorial.plotting import COLOURS, WIDTH, set_title, show

epochs = range(1, settings.epochs + 1)
figure, axes = plt.subplots(2, 1, figsize=(WIDTH, 5), sharex=True, layout="constrained")
for axis, measure, name in zip(axes, ("loss", "accuracy"), (text("loss"), text("accuracy"))):
    axis.plot(epochs, history.history[measure], "o-", color=COLOURS["none"], label="training images")
    axis.plot(
        epochs, history.history[f"val_{measure}"], "o--", mfc="white", color=COLOURS["none"], label="held-out images"
    )
    axis.set(ylabel=name, xticks=epochs)
    axis.grid(alpha=0.3)
axes[0].axhline(np.log(2), color="black", lw=1, ls=":")
axes[1].axhline(0.5, color="black", lw=1, ls=":", label="guessing")
axes[1].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
axes[1].set_xlabel("epoch")
figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
right, count = history.history["val_accuracy"][-1], settings.epochs
title = "Without GC, the model is right for {right:.0%} of the held-out images after {count} epochs"
set_title(figure, text(title, right=right, count=count))
alt = "Loss and accuracy by epoch, on training and on held-out images; held-out accuracy ends at {right:.0%}."
show(figure, alt=text(alt, right=right))

# %%
from IPython.display import Markdown

accuracy = history.history["val_accuracy"]
Markdown(
    text(
        "After {epochs} epochs ({seconds:.0f} seconds of training on this machine) the model is right for **{last:.0%}** of the "
        "held-out images. After single epochs it was right for {least:.0%} to {most:.0%}. Guessing is right for about 50%.",
        epochs=settings.epochs,
        seconds=sum(times.train_seconds),
        last=accuracy[-1],
        least=min(accuracy),
        most=max(accuracy),
    )
)

# %% [markdown] translates="f1f88c39abce"
# このような曲線を読むときの注意が 2 つあります。
#
# - 訓練用画像の曲線は、ドロップアウトを使い、データ拡張をした画像での値を、エポック**全体**にわたって平均したものです。評価用画像の曲線は、エポックの**終わり**に、ドロップアウトなしで、元のままの画像で測ったものです。ですから、過学習（overfitting）がなくても、2 つの曲線は違うことがあります。
# - 正解率がちょうど 50% のときは、たいてい、モデルがどの画像にも同じ答えを出しています。
#
# ## 1 本の曲線をどこまで信用できるか
#
# ここまでは、たった **1 回**の訓練でした。次の図は、このチュートリアルで最初に行った、学習率を調整しない RMSprop の実験のうち、同じ方法（GC なし）の訓練を示したものです。この実験の結果はパッケージに付属しています（150×150 ピクセル、12 エポック、本物の画像。残りの結果はノートブック 5 で示します）。線の 1 本 1 本が 1 つのシード（乱数の出発点）にあたります。訓練どうしで違うのは、重みの初期値（initial weights）、画像の順序、データ拡張、ドロップアウトだけです。同じ訓練のエポックどうしで違うのは、重みだけです。それでも、確率が 50% に近い画像では、答えが変わることがあります。背景が訓練用画像のどれとも違うので、そのような画像が多いのかもしれません。この説明は検証していません。

# %% tags=["hide-input"]
from gc_tutorial.study.analysis import load_study

study = load_study("rmsprop")
repeats = study[study["arm"] == "none"].pivot(index="epoch", columns="seed", values="test_accuracy")
jump = 100 * repeats.diff().abs().max().max()
figure, axis = plt.subplots(figsize=(WIDTH, 3.2), layout="constrained")
thin = axis.plot(repeats.index, 100 * repeats, color=COLOURS["none"], alpha=0.35, lw=1)
thin[0].set_label("one seed")
axis.plot(repeats.index, 100 * repeats.mean(axis=1), "o-", color=COLOURS["none"], lw=2.5, label="mean of the seeds")
axis.axhline(50, color="black", lw=1, ls=":", label="guessing")
axis.set(xlabel="epoch", ylabel="held-out accuracy (%)", ylim=(40, 100))
axis.legend(loc="lower right", ncols=3, frameon=False)
axis.grid(alpha=0.3)
seeds = repeats.shape[1]
title = "One method, {seeds} seeds: accuracy changes by up to {jump:.0f} points from one epoch to the next"
set_title(figure, text(title, seeds=seeds, jump=jump))
alt = "Held-out accuracy by epoch for {seeds} seeds without GC. The lines cross often and jump."
show(figure, alt=text(alt, seeds=seeds))

# %% [markdown] translates="2e12a50a5cda"
# ## 個々の画像に、モデルは何と答えるか
#
# それぞれの画像の上に、正しいクラス（horses は馬、humans は人）、モデルの答え、その答えの確率が書かれています。

# %%
from gc_tutorial.plotting import image_grid

pictures, truth = next(iter(data.test.shuffle(256, seed=1).batch(12)))
probability = model.predict(pictures, verbose=0)[:, 0]
names = data.info.features["label"].names
titles = [
    text(
        "{truth}\n{mark}model: {answer}\n({sure:.0%})",
        truth=names[k],
        mark="" if k == int(p > 0.5) else "✗ ",
        answer=names[int(p > 0.5)],
        sure=max(p, 1 - p),
    )
    for k, p in zip(truth.numpy(), probability)
]
wrong = (probability > 0.5) != truth.numpy()

# %%
right = int(np.sum(~wrong))
title = text("The model is right for {right} of these 12 held-out images (✗: wrong)", right=right)
figure = image_grid(pictures.numpy(), titles, title=title)
for axis, bad in zip(figure.axes, wrong):
    axis.title.set_color("#B00020" if bad else "black")
alt = "Twelve held-out images with their class and the answer of the model; {right} of the answers are right."
show(figure, alt=text(alt, right=right))

# %% [markdown] translates="f082c16468f7"
# ## 練習問題
#
# 同じネットワークを、別のシードでもう一度訓練し（重みとバッチの**両方**を変えます）、最終エポックのテスト正解率を比べてください。では、2 つの方法で 1 回ずつ訓練したとしましょう。差がどのくらい大きければ、その差を信じてよいでしょうか。表 `repeats` を使って調べてください。
#
# 次のセルが解答例です。折りたたんであるので、まず自分で解いてから開いてください。

# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title Solution
keras.utils.set_random_seed(1)
again = build_cnn(settings.image_size)  # a new model: compile alone would keep the old weights
again.compile(keras.optimizers.RMSprop(settings.learning_rate), "binary_crossentropy", metrics=["accuracy"])
second = again.fit(
    training_batches(data.train_images, data.train_labels, settings.batch_size, seed=1),
    validation_data=data.test.batch(128),
    epochs=settings.epochs,
    shuffle=False,
    verbose=0,
)
last = repeats.iloc[-1].to_numpy()
gaps = np.abs(last[:, None] - last)[np.triu_indices(len(last), k=1)]  # between every two seeds of one method
first_run, second_run = 100 * accuracy[-1], 100 * second.history["val_accuracy"][-1]
spread = {"seeds": len(last), "low": 100 * last.min(), "high": 100 * last.max()}
print(
    text(
        "Answer: the two runs end at {first:.0f}% and {second:.0f}%. Only their seeds differ.",
        first=first_run,
        second=second_run,
    )
)
print(text("In the study, {seeds} seeds of one method end at {low:.0f}% to {high:.0f}%,", **spread))
print(text("and half of all pairs of seeds differ by more than {gap:.0f} points.", gap=100 * np.median(gaps)))
print(text("So do not believe a difference of that size from one run each. Compare several seeds."))

# %% [markdown] translates="1845b322f860"
# ## このノートブックのまとめ
#
# - 公開例の CNN では、どのカーネルにも、出力ユニット 1 つにつき 1 つの重みベクトルがあります。
# - モデルが新しい画像にも通用するかどうかは、評価用画像でしか分かりません。ですから、エポックが終わるたびに評価用画像で評価します。
# - 1 回の訓練では、ほとんど何も証明できません。
#
# 次は [4. 勾配中心化](04_gradient_centralization.ipynb) です。手法そのものを扱います。
