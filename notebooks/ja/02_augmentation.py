# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] translates="cc71dd3ad381"
# # 2. データ拡張
#
# **公開例と同じように、訓練用画像をランダムに反転・回転・ズームしましょう。ただし、リサンプリングはどの画像でも一度だけにし、それで何が変わるかを測ります。**
#
# 所要時間は、CPU 2 コアで 1 分以内です。GPU は要りません。
#
# [Colab で開く](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/02_augmentation.ipynb) · [Binder で開く](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/ja/02_augmentation.ipynb) · [Kaggle で開く](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/02_augmentation.ipynb) · [Codespaces で開く](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [nbviewer で読む](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/02_augmentation.ipynb) · [English](../02_augmentation.ipynb)
#
# このノートブックで行うこと
#
# - 公開例のデータ拡張（augmentation）を 3 つの Keras の層で行い、画像がどうなるかを見ます。
# - 回転とズームを続けて行うと、画像がどのようにぼやけるかを見ます。
# - 3 つの層をまとめて、バイト値に対する 1 つのアフィン変換で置き換え、両方のパイプラインの速さを測ります。

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
images, labels = data.train_images, data.train_labels

# %% [markdown] translates="af4fec40ecaa"
# ## そもそも、なぜデータ拡張をするのか
#
# 反転した馬も、やはり馬です。見るたびに画像の向きや位置が違えば、モデルは画像を簡単には丸暗記できません。データ拡張をするのは**訓練用**の画像だけです。訓練に使わずに取り分けた評価用画像は、元のままにしておきます。
#
# ## 公開例では 3 つの層を使う
#
# 「公開例」とは、最終更新日が 2023-07-25 の版の [Keras の勾配中心化の例](https://keras.io/examples/vision/gradient_centralization/)のことです（[ノートブック 1](01_data.ipynb)）。公開例では、まず、値の範囲を 0〜255 から 0〜1 に変換します。次に、それぞれのバッチを 3 つの層に通します。上下と左右の反転（flip）、1 回転の ±0.3 倍（±108°）までの回転（rotation）、±20% までのズームです。

# %%
import keras
from keras import layers

keras.utils.set_random_seed(0)
published = keras.Sequential(
    [
        layers.Rescaling(1 / 255),
        layers.RandomFlip("horizontal_and_vertical"),
        layers.RandomRotation(0.3),
        layers.RandomZoom(0.2),
    ]
)

# %% [markdown] translates="a4cb07ac196b"
# 次の図は、1 枚の画像と、そこからランダムに作った 11 枚です。画像を回転してできた隅の空きは、画像を折り返した像で埋められます（`fill_mode="reflect"`）。

# %%
import numpy as np
from gc_tutorial import text
from gc_tutorial.plotting import image_grid, show

picture = images[0]
augmented = keras.ops.convert_to_numpy(published(np.stack([picture] * 11), training=True))
grid = [picture / 255, *augmented]
show(
    image_grid(
        grid,
        [text("original"), *[text("draw {number}", number=number) for number in range(1, 12)]],
        title="One image and eleven augmentations of it",
    ),
    alt="One training image and eleven versions of it, each flipped, turned and zoomed at random.",
)

# %% [markdown] translates="19e74b96e562"
# ## 3 つの層を順に通すことの代償
#
# 回転とズームは、どちらも画像を**リサンプリング**します。新しい画素はどれも、元の 4 つの画素を混ぜて作られるのです。リサンプリングを 2 回行えば、画素は 2 回混ざり、画像がぼやけます。しかも、層を通るたびに、すべての画像が `float32` としてメモリを行き来します。1 つの値に、1 バイトで足りるところを 4 バイト使っているのです。
#
# 実は、すべてを 1 回のリサンプリングで済ませることができます。反転 $F$ も回転 $R$ もズーム $Z$ も、画像の中心 $c$ を基準に座標 $p = (x, y)$ を移す**アフィン変換**です。どれも 2×2 の行列で表され、3 つの積もまた 2×2 の行列です。
#
# $$p_{\text{in}} = c + F\,R\,Z\,(p_{\text{out}} - c)$$
#
# この変換は、新しい画像の座標から元の画像の座標を求めるものです。**新しい**画素のそれぞれについて、その色を元の画像から取ってくるからです。
#
# 次のセルは、反転、回転、ズームを 1 つにまとめた行列を出力します。

# %%
angle, zoom = 2 * np.pi * 0.1, 1.2  # a tenth of a turn; the field of view 1.2 times as wide
flip = np.diag([-1.0, 1.0])  # left and right change places
rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
fused = flip @ rotation @ (zoom * np.eye(2))
fused.round(3)

# %% [markdown] translates="008b34c58a26"
# OpenCV の `warpAffine` を 1 回呼び出せば、3 つすべてが `uint8` のまま一度に済みます。次のセルでは、比較のために、同じ 3 つの変換を順に 1 つずつ行ったものも作ります。反転は画素をそのまま並べ替えるだけです。ですから、リサンプリングを行うのは、回転とズームの 2 つです。

# %%
import cv2


def resample(picture, matrix):
    """Apply one 2×2 matrix around the image's centre."""
    centre = np.full(2, (picture.shape[0] - 1) / 2)
    full = np.column_stack([matrix, centre - matrix @ centre])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, full, picture.shape[1::-1], flags=flags, borderMode=cv2.BORDER_REFLECT)


once = resample(picture, fused)
in_turn = resample(resample(resample(picture, flip), rotation), zoom * np.eye(2))

# %% [markdown] translates="6771d0339298"
# それぞれの結果は、どのくらい鮮鋭でしょうか。違いは目では分かりにくいので、測ってみましょう。よく使われる尺度は、ラプラシアンの分散です。隣り合う画素の値の違いが大きい画像ほど、大きくなります。

# %%
from IPython.display import Markdown

middle = slice(picture.shape[0] // 3, -(picture.shape[0] // 3))  # away from the mirrored edges
crops = [crop[middle, middle] for crop in (once, in_turn)]
sharpness = [cv2.Laplacian(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var() for crop in crops]
lost = 1 - sharpness[1] / sharpness[0]
show(
    image_grid(
        crops,
        [
            text("{name}: {sharpness:.0f}", name=name, sharpness=value)
            for name, value in zip((text("one resampling"), text("turned, then zoomed")), sharpness)
        ],
        columns=2,
        side=2.7,
        title=text("Turned and then zoomed: the variance of the Laplacian is {lost:.0%} lower", lost=lost),
    ),
    alt="The middle of the same image, resampled once, and turned and then zoomed; the second is less sharp.",
)
Markdown(
    text(
        "Sharpness: **{once:.0f}** with one resampling and **{in_turn:.0f}** with two, which is {lost:.0%} less. (This is one "
        "image at one angle.)",
        once=sharpness[0],
        in_turn=sharpness[1],
        lost=lost,
    )
)

# %% [markdown] translates="341731fbc5c7"
# ## パイプライン
#
# `training_batches` は、これをバッチ全体に対して行います。画像をシャッフルし、公開例の範囲から画像ごとに行列をランダムに決め、どの画像も一度だけリサンプリングします。ランダムに決まるものはすべて、`seed`（シード、乱数の出発点）から定まります。そのおかげで、のちに、勾配中心化（GC）ありの訓練と GC なしの訓練を、まったく同じ画素で行えます。
#
# 次の図では、それぞれの画像の上に、クラスの名前（horses は馬、humans は人）が書かれています。

# %%
from gc_tutorial import training_batches

batches = training_batches(images, labels, settings.batch_size, seed=1)
batch, batch_labels = next(iter(batches))
names = data.info.features["label"].names
show(
    image_grid(
        batch[:12].numpy(), [names[label] for label in batch_labels[:12]], title="A training batch, resampled once"
    ),
    alt="Twelve augmented training images with their classes.",
)

# %% [markdown] translates="73c5bb072b16"
# 同じシードの 2 つのパイプラインは、どのエポックでも同じバイト列を出します。1 つのパイプラインの中では、エポックごとにバイト列が違います。
#
# 出力は、エポックごとの全バイトのハッシュです。

# %%
import hashlib


def fingerprint(pipeline):
    """A digest of every byte that one epoch yields."""
    digest = hashlib.sha256()
    for images, labels in pipeline.as_numpy_iterator():
        digest.update(images.tobytes() + labels.tobytes())
    return digest.hexdigest()[:12]


for run in (text("first run"), text("second run")):
    batches = training_batches(images, labels, settings.batch_size, seed=1)
    digests = [fingerprint(batches) for epoch in (1, 2)]
    print(text("{run}: epoch 1 {first}, epoch 2 {second}", run=run, first=digests[0], second=digests[1]))

# %% [markdown] translates="1fbf1629ce7d"
# ## どこに時間がかかるのか
#
# 両方のパイプラインを同じ画像で、交互に 3 回ずつ実行します。ほかの処理の影響を受けると、時間は延びることはあっても、縮むことはありません。そこで図には、3 回のうちいちばん速かった回を示します。中央値は図の下に出力します。公開例のパイプラインは、公開例の説明に従って書いたもので、シャッフルし、バッチにし、値を変換して `float32` にし、それから 3 つの層に通します。（公開例では、バッチにする前に値を変換しています。ここでの順序のほうが速いので、公開例のパイプラインに有利です。）
#
# どちらのパイプラインも、`without_autotune` で実行します。`tf.data` に自動調整をさせると、エポックの終わりにチューナーが調整を終えるのを待たされることが多く、その待ち時間は、エポックそのものと同じくらい長くなることがあるからです。

# %%
import time

import tensorflow as tf
from gc_tutorial.pipeline import THREADS, without_autotune


def published_layers(batch, labels):
    return published(batch, training=True), labels


timed = images[:512], labels[:512]
shuffled = tf.data.Dataset.from_tensor_slices(timed).shuffle(1024).batch(settings.batch_size)
pipelines = {
    text("published: three layers, float32"): without_autotune(shuffled.map(published_layers, THREADS).prefetch(2)),
    text("ours: one affine map, uint8"): training_batches(*timed, settings.batch_size, seed=1),
}


# %%
def images_per_second(pipeline):
    started = time.perf_counter()
    count = sum(len(labels) for _, labels in pipeline)
    return count / (time.perf_counter() - started)


speeds = {name: [] for name in pipelines}
for _ in range(3):
    for name, pipeline in pipelines.items():
        speeds[name].append(images_per_second(pipeline))
best = {name: max(values) for name, values in speeds.items()}

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
from gc_tutorial.plotting import WIDTH, set_title

slow, fast = best.values()
figure, axis = plt.subplots(figsize=(WIDTH, 2.2), layout="constrained")
places = [name.replace(": ", ":\n").replace("：", "：\n") for name in best]
bars = axis.barh(places, list(best.values()), color=["#999999", "#555555"])
axis.bar_label(bars, fmt="{:,.0f}", padding=3)
axis.invert_yaxis()
axis.set_xlabel("images per second (more is better)")
axis.xaxis.set_major_formatter("{x:,.0f}")
axis.margins(x=0.15)
title = "Our pipeline gives {ratio:.1f} times as many images per second here (best of three)"
set_title(figure, text(title, ratio=fast / slow))
alt = "Bar chart: the published pipeline gives {slow:,.0f} images per second, ours {fast:,.0f}."
show(figure, alt=text(alt, slow=slow, fast=fast))
for name, values in speeds.items():
    print(text("{name}: median {median:,.0f} images per second", name=name, median=np.median(values)))

# %% [markdown] translates="6e69fbc33496"
# 2 つのパイプラインには、3 つの違いがあります。リサンプリングの回数、値の型（バイトか浮動小数点数か）、そしてコード（OpenCV か TensorFlow か）です。それぞれの違いがどれだけ影響するかは、別々には測っていません。300×300 ピクセルで測ったパッケージのベンチマークには、中間のものが 1 つあります。TensorFlow 自身の射影変換を、バイトのまま、1 回のリサンプリングで行うものです。1 秒あたりの枚数は、公開例の層が 199 枚、OpenCV が 2,186 枚なのに対して、これは 651 枚です。どれも 5 回の中央値で、いちばんよい値は 277 枚、2,619 枚、662 枚です（[結果](../../gc_tutorial/study/results/README.md)、英語）。
#
# ## 訓練にとっての意味
#
# 訓練全体は、この倍率ほどには速くなりません。ネットワーク自体の計算は変わらないからです。次の表は、公開例の設定（300×300 ピクセル、128 枚のバッチ）での 1 エポックを、3 通りに測ったものです。メモリに置いた画像を使い、ネットワークだけを訓練した場合、それに公開例のパイプライン（画像を毎回デコードし直します）を加えた場合、このノートブックのパイプラインを加えた場合です。値は、パッケージのベンチマークで、CPU 2 コアを使い、3 通りの時間を順番に測ったものです。

# %%
import pandas as pd
from gc_tutorial.study.analysis import load_study

speed = load_study("speed")
epochs = speed[(speed["part"] == "epoch") & speed["arm"].str.endswith("float32")].set_index("arm").iloc[:3]
alone, with_published, with_ours = epochs["best_seconds"]
rows = [text("network alone"), text("with the published pipeline"), text("with our pipeline")]
columns = {"best_seconds": text("best of three (s)"), "median_seconds": text("median of three (s)")}
epochs[list(columns)].set_axis(pd.Index(rows, name=text("one epoch"))).rename(columns=columns).round(1)

# %%
medians = epochs["median_seconds"].to_numpy()
longer = {
    "published_best": with_published / alone - 1,
    "published_median": medians[1] / medians[0] - 1,
    "ours_best": with_ours / alone - 1,
    "ours_median": medians[2] / medians[0] - 1,
}

# %% tags=["hide-input"]
figure, axis = plt.subplots(figsize=(WIDTH, 3.2), layout="constrained")
added = [seconds - alone for seconds in (alone, with_published, with_ours)]
places = [row.replace("with the", "with the\n") for row in rows]
axis.barh(places, [alone] * 3, color="#999999", label="network alone")
axis.barh(places, added, left=alone, color="#555555", label="added by the pipeline")
axis.plot(medians, places, "kd", markersize=5, label="median")
for place, extra, median in zip(places, added, medians):
    axis.text(
        median + 0.8,
        place,
        text("best {best:.1f} s,\nmedian {median:.1f} s", best=alone + extra, median=median),
        va="center",
    )
axis.set_xlim(0, 1.6 * medians.max())
axis.set_xlabel("seconds for one epoch (bar: best of three)")
axis.invert_yaxis()
figure.legend(loc="outside lower center", ncols=3, frameon=False)
title = (
    "The published pipeline makes an epoch {published_best:.0%} and {published_median:.0%} longer, ours {ours_best:.0%} and "
    "{ours_median:.0%} (best and median of three)"
)
set_title(figure, text(title, **longer))
alt = (
    "Bar chart: an epoch takes {alone:.1f} seconds with the network alone, {published:.1f} with the published pipeline and "
    "{ours:.1f} with ours (best of three)."
)
show(figure, alt=text(alt, alone=alone, published=with_published, ours=with_ours))

# %% [markdown] translates="e0a3ac6447f1"
# この CPU では、3 つの場合のどれでも、時間のほとんどはネットワークの計算に使われます。GPU ではネットワークがもっと速いので、パイプラインの影響は大きくなるはずですが、それは測っていません。

# %% [markdown] translates="8885674be601"
# ## 練習問題
#
# 馬が上下逆さまに写っていることは、めったにありません。反転は左右だけ、回転は最大でも 1 回転の 5% とするパイプラインを作り、バッチを 1 つ見てください。このとき、画像はそれぞれ何回リサンプリングされるでしょうか。
#
# 次のセルが解答例です。折りたたんであるので、まず自分で解いてから開いてください。

# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title Solution
from gc_tutorial import AugmentationRanges

gentle = AugmentationRanges(vertical_flip=False, rotation=0.05)
batch, batch_labels = next(iter(training_batches(images, labels, settings.batch_size, seed=1, ranges=gentle)))
show(
    image_grid(
        batch[:12].numpy(), [names[k] for k in batch_labels[:12]], title="Turned by at most 18°, never upside down"
    ),
    alt="Twelve training images, slightly turned and zoomed; none is upside down.",
)
print(text("Answer: pass AugmentationRanges(vertical_flip=False, rotation=0.05) to training_batches as `ranges`."))
print(text("All of it is still one affine map, so each image is still resampled once."))

# %% [markdown] translates="afa3205466a2"
# ## このノートブックのまとめ
#
# - 反転、回転、ズームはアフィン変換で、その積もアフィン変換です。3 つすべてが、1 回のリサンプリングで済みます。
# - 測った画像（1 枚の画像、1 つの角度）では、リサンプリングが 1 回のほうが、2 回のときより鮮鋭でした。OpenCV でバイト値のまま行えば、ここでは速くもなります。
# - 順序とデータ拡張はシードから決まるので、2 つの訓練にまったく同じ画素を見せられます。
#
# 次は [3. CNN](03_cnn.ipynb) です。これらのバッチから学習するネットワークを扱います。
