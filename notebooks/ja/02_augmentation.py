# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] translates="b08d87f9a248"
# # 2. データ拡張
#
# **訓練用画像（training images）を、公開されている例と同じ範囲で、しかしもっと鮮鋭に、もっと速く、ランダムに回し、裏返し、拡大・縮小しましょう。**
#
# 所要時間は約 1 分です。GPU は要りません。
#
# [Colab で開く](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/02_augmentation.ipynb) · [Binder で開く](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/ja/02_augmentation.ipynb) · [Kaggle で開く](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/02_augmentation.ipynb) · [Codespaces で開く](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [nbviewer で読む](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/02_augmentation.ipynb) · [English](../02_augmentation.ipynb)
#
# このノートブックで行うこと
#
# - 公開されているデータ拡張（augmentation）を 3 つの Keras の層で行い、画像がどうなるかを見ます。
# - 3 つの層を続けて通すと、なぜ遅く、ぼやけるのかを見ます。
# - 3 つすべてを 1 つのアフィン変換（affine map）で置き換え、どれだけ節約できるかを測ります。

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
images, labels = data.train_images, data.train_labels

# %% [markdown] translates="1866dc5e6c7e"
# ## そもそも、なぜデータ拡張をするのか
#
# 裏返した馬も、やはり馬です。同じ画像を次々と新しい向きや位置で見せれば、モデルは画像を丸暗記できなくなります。データ拡張をするのは**訓練用**の画像だけです。訓練に使わずに取り分けた評価用画像（held-out images）は、ありのままの画像でモデルがどれだけ当たるかを測るためのものです。
#
# ## 公開されている方法では 3 つの層を使う
#
# まず、値を 0...255 から 0...1 に変換します。次に、それぞれのバッチ（batch）を 3 つの層に通します。上下と左右の反転（flip）、最大で 1 回転の ±0.3 倍（±108°）の回転（rotation）、最大 ±20% のズーム（zoom）です。

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

# %% [markdown] translates="eebf6944bfcd"
# 1 枚の画像と、そこからランダムに作った 11 枚です。回した画像の隅に空きができるところでは、層は、画像を縁で折り返して埋めます（`fill_mode="reflect"`）。
#
# 図の見出しは「どれひとつ同じものはない、1 枚の画像と 11 通りのデータ拡張」という意味です。original が元の画像、draw がランダムに作った画像です。

# %%
import numpy as np
from gc_tutorial.plotting import image_grid, show

picture = images[0]
augmented = keras.ops.convert_to_numpy(published(np.stack([picture] * 11), training=True))
grid = [picture / 255, *augmented]
show(
    image_grid(
        grid,
        ["original", *[f"draw {n}" for n in range(1, 12)]],
        title="No two draws alike: one picture and eleven augmentations",
    ),
    alt="One training picture and eleven versions of it, each flipped, turned and zoomed at random.",
)

# %% [markdown] translates="623b7cc08397"
# ## その代償
#
# 回転とズームは、どちらも画像を**再標本化**（resampling）します。新しい画素はどれも、元の 4 つの画素を混ぜて作られるのです。それを 2 回行えば、混ぜたものをまた混ぜることになり、ぼやけます。しかも、すべての画像が、1 バイトで足りたところに 4 バイトを使う `float32` で、何度もメモリを行き来します。
#
# ところが、反転 $F$ も回転 $R$ もズーム $Z$ も、画像の中心 $c$ のまわりの座標 $p = (x, y)$ の**アフィン変換**、つまり 2×2 の行列です。そして、行列を次々にかけたものも、また 1 つの行列です。
#
# $$p_{\text{in}} = c + F\,R\,Z\,(p_{\text{out}} - c)$$
#
# この変換は、新しい画像から元の画像へと向かいます。**新しい**画素のそれぞれについて、その色がどこから来るかを問うからです。
#
# 次のセルは、反転、回転、ズームを 1 つにまとめた行列を出力します。

# %%
angle, zoom = 2 * np.pi * 0.1, 1.2  # a tenth of a turn; the field of view 1.2 times as wide
flip = np.diag([-1.0, 1.0])  # left and right change places
rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
fused = flip @ rotation @ (zoom * np.eye(2))
fused.round(3)

# %% [markdown] translates="20a55a166a95"
# これで、OpenCV の `warpAffine` を 1 回呼び出せば、3 つすべてが `uint8` のまま一度に済みます。その隣には、同じ 3 つの変換を順に 1 つずつ、そのたびに再標本化して行ったものを並べます。

# %%
import cv2


def resample(picture, matrix):
    """Apply one 2×2 matrix around the picture's centre."""
    centre = np.full(2, (picture.shape[0] - 1) / 2)
    full = np.column_stack([matrix, centre - matrix @ centre])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, full, picture.shape[1::-1], flags=flags, borderMode=cv2.BORDER_REFLECT)


once = resample(picture, fused)
thrice = resample(resample(resample(picture, flip), rotation), zoom * np.eye(2))

# %% [markdown] translates="9034611a8d3b"
# それぞれ、どのくらい鮮鋭でしょうか。よく使われる尺度であるラプラシアン（Laplacian）の分散は、隣り合う画素の値が違うところで大きくなります。
#
# 図は、左が 1 回の再標本化、右が順に 1 つずつ行ったものです。見出しは、同じ変換でも段階に分けて行うと鮮鋭さ（sharpness）の何 % が失われるかを、図の下の文は、それぞれの鮮鋭さとその減り方を述べています。

# %%
from IPython.display import Markdown

middle = slice(picture.shape[0] // 3, -(picture.shape[0] // 3))  # away from the mirrored edges
crops = [crop[middle, middle] for crop in (once, thrice)]
sharpness = [cv2.Laplacian(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var() for crop in crops]
show(
    image_grid(
        crops,
        ["one resampling", "one after another"],
        columns=2,
        side=3.2,
        title=f"In steps, the same map loses {1 - sharpness[1] / sharpness[0]:.0%} of the sharpness",
    ),
    alt="The middle of the same picture, resampled once and resampled in steps; the second is softer.",
)
Markdown(
    f"Sharpness: **{sharpness[0]:.0f}** with one resampling, **{sharpness[1]:.0f}** in steps, "
    f"{1 - sharpness[1] / sharpness[0]:.0%} less."
)

# %% [markdown] translates="3d0427b8104b"
# ## パイプライン（pipeline）
#
# `training_batches` は、これをバッチ全体に対して行います。画像を並べ替え、公開されている範囲から画像ごとに行列をランダムに決め、どの画像も一度だけ再標本化します。ランダムに決まるものはすべて、`seed`（シード、乱数の出発点）から定まります。そのおかげで、のちに、勾配集中化（Gradient Centralization、GC）ありの訓練となしの訓練を、まったく同じ画素で行えます。
#
# 図の見出しは「一度だけ再標本化した、訓練用のバッチ」という意味です。画像の上には、クラスの名前（horses は馬、humans は人）が書かれています。

# %%
from gc_tutorial import training_batches

batches = training_batches(images, labels, settings.batch_size, seed=1)
batch, batch_labels = next(iter(batches))
names = data.info.features["label"].names
show(
    image_grid(
        batch[:12].numpy(), [names[label] for label in batch_labels[:12]], title="A training batch, resampled once"
    ),
    alt="Twelve augmented training pictures with their classes.",
)

# %% [markdown] translates="fc17126309a3"
# 同じシードの 2 つのパイプラインは、どのエポック（epoch）でも同じバイト列を出します。エポックが違えば、バイト列も違います。
#
# 出力は、1 回目（first run）と 2 回目（second run）それぞれの、エポックごとの全バイトのハッシュです。

# %%
import hashlib


def fingerprint(pipeline):
    """A digest of every byte that one epoch yields."""
    digest = hashlib.sha256()
    for images, labels in pipeline.as_numpy_iterator():
        digest.update(images.tobytes() + labels.tobytes())
    return digest.hexdigest()[:12]


for run in ("first run", "second run"):
    batches = training_batches(images, labels, settings.batch_size, seed=1)
    print(f"{run}: epoch 1 {fingerprint(batches)}, epoch 2 {fingerprint(batches)}")

# %% [markdown] translates="b2895320c191"
# ## 時間はどこでかかるのか
#
# 両方のパイプラインを同じ画像で、交互に 3 回ずつ動かします。測定を乱すものはどれも時間を延ばすので、図には 3 回のうちいちばん速かった回を示します。中央値（median）は図の下に出力します。公開されているパイプラインは、その説明のとおりに、並べ替え、バッチにし、`float32` に変換し、それから 3 つの層に通すように書いてあります。ただし、値の変換だけは説明と違って、バッチにしたあとに行います。これは、公開されているパイプラインに有利な違いです。また、このノートブックのパイプラインと同じように、`without_autotune` で動かします。`tf.data` は動きながら自分を調整できますが、エポックの終わりにチューナー（tuner）を待たされることが多く、その待ち時間は、長ければエポックそのものと同じくらいになるからです。
#
# 図の横軸は 1 秒あたりの画像の枚数で、多いほどよいことを示します。上の棒が公開されているパイプライン（published）、下の棒がこのノートブックのパイプライン（ours）です。見出しは、この環境で 1 秒あたりの枚数が何倍になるかを述べています。

# %%
import time

import tensorflow as tf
from gc_tutorial.data.pipeline import THREADS, without_autotune


def published_layers(batch, labels):
    return published(batch, training=True), labels


timed = images[:512], labels[:512]
shuffled = tf.data.Dataset.from_tensor_slices(timed).shuffle(1024).batch(settings.batch_size)
pipelines = {
    "published: three layers, float32": without_autotune(shuffled.map(published_layers, THREADS).prefetch(2)),
    "ours: one affine map, uint8": training_batches(*timed, settings.batch_size, seed=1),
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

# %%
import matplotlib.pyplot as plt

slow, fast = best.values()
figure, axis = plt.subplots(figsize=(7, 1.8), layout="constrained")
bars = axis.barh(list(best), list(best.values()), color=["#999999", "#009E73"])
axis.bar_label(bars, fmt="{:,.0f}", padding=3)
axis.invert_yaxis()
axis.set(
    xlabel="images per second (more is better)",
    title=f"Our pipeline gives {fast / slow:.1f} times as many images per second here",
)
axis.margins(x=0.12)
show(figure, alt=f"Bar chart: the published pipeline gives {slow:,.0f} images per second, ours {fast:,.0f}.")
for name, values in speeds.items():
    print(f"{name}: median {np.median(values):,.0f} images per second")

# %% [markdown] translates="32187dada8ab"
# 2 つのパイプラインの違いは 3 つあります。何回もではなく 1 回だけの再標本化、浮動小数点数ではなくバイトのままの値、TensorFlow ではなく OpenCV のコードです。それぞれを 1 つずつは測っていません。パッケージのベンチマークには中間のものが 1 つあり、TensorFlow 自身の射影変換を、バイトのまま、1 回の再標本化で行います。1 秒あたりの枚数は、公開されている層の 156 枚、OpenCV の 1,678 枚に対して 472 枚です（[結果](../../gc_tutorial/study/results/README.md)）。
#
# ## 訓練にとっての意味
#
# 訓練全体で得られる効果は、この倍率ほどではありません。ネットワーク自体の計算は変わらないからです。次の表は、公開例の設定（the published recipe、300×300 ピクセル、128 枚のバッチ）での 1 エポックを測った値です。メモリに置いた画像を使うネットワークだけの場合、公開されているパイプライン（画像を毎回デコードし直します）を使う場合、このノートブックのパイプラインを使う場合の 3 通りです。この値はパッケージに付属するもので、プロセッサ 2 コアで 3 つを交互に動かしたベンチマークの結果です。図には、3 回のうちいちばん速かった回を示します。
#
# 表の列は、1 エポックの秒数のうちいちばん短いもの（best）と中央値（median）です。図の横軸も 1 エポックの秒数で、少ないほどよく、青はネットワーク自体の分です。棒は上から、ネットワークだけ（network alone）、公開されているパイプライン（published）、このノートブックのパイプライン（ours）です。見出しは、ネットワークのほかに、公開されているパイプラインとこのノートブックのパイプラインが、それぞれ何 % の時間を加えるかを述べています。

# %%
from gc_tutorial.study.analysis import load_study

speed = load_study("speed")
epochs = speed[(speed["part"] == "epoch") & speed["arm"].str.endswith("float32")].set_index("arm").iloc[:3]
alone, with_published, with_ours = epochs["best_seconds"]
columns = {"best_seconds": "seconds, best of three", "median_seconds": "seconds, median of three"}
epochs[list(columns)].rename(columns=columns).round(1)

# %%
figure, axis = plt.subplots(figsize=(7, 2.2), layout="constrained")
rows = ["network alone", "with the published pipeline", "with ours"]
pipeline = [seconds - alone for seconds in (alone, with_published, with_ours)]
axis.barh(rows, [alone] * 3, color="#56B4E9")
bars = axis.barh(rows, pipeline, left=alone, color=["#56B4E9", "#999999", "#009E73"])
axis.bar_label(bars, [f"{alone + added:.1f} s" for added in pipeline], padding=3)
axis.invert_yaxis()
axis.set(
    xlabel="seconds for an epoch (blue: the network's own; less is better)",
    title=f"Around the network, the published pipeline adds {with_published / alone - 1:.0%}, ours {with_ours / alone - 1:.0%}",
)
axis.margins(x=0.12)
show(
    figure,
    alt=f"Bar chart: an epoch takes {alone:.1f} seconds with the network alone, {with_published:.1f} with the published "
    f"pipeline and {with_ours:.1f} with ours.",
)

# %% [markdown] translates="9a00674ba329"
# つまり、このプロセッサでは、時間のほとんどがネットワークにかかり、このノートブックのパイプラインが加える時間はわずかです。GPU ではネットワークがもっと速いので、パイプラインの影響は大きくなるはずですが、それは測っていません。

# %% [markdown] translates="dca1a9e57e48"
# ## 練習問題
#
# 馬が上下逆さまに写っていることは、めったにありません。左右だけを反転し、回転は最大でも 1 回転の 5% とするパイプラインを作り、バッチを 1 つ見てください。
#
# <details><summary>解答例</summary>
#
# ```python
# from gc_tutorial import AugmentationRanges
#
# gentle = AugmentationRanges(vertical_flip=False, rotation=0.05)
# batch, batch_labels = next(iter(training_batches(images, labels, settings.batch_size, seed=1, ranges=gentle)))
# show(image_grid(batch[:12].numpy(), [names[k] for k in batch_labels[:12]]), alt="Twelve gently augmented pictures.")
# ```
#
# </details>

# %% [markdown] translates="bb5ea74dd1b9"
# ## この章のまとめ
#
# - 反転、回転、ズームはアフィン変換で、その積もアフィン変換です。3 つすべてが、1 回の再標本化で済みます。
# - そのため、画像はより鮮鋭なままで、`uint8` のまま扱え、しかも速くなります。
# - 順序とデータ拡張はシードから決まるので、2 つの訓練にまったく同じ画素を見せられます。
#
# 次は [3. CNN](03_cnn.ipynb) です。これらのバッチから学習するネットワークを扱います。
