# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] translates="7f572ab6929d"
# # 1. 画像
#
# **このあとのノートブックすべてで訓練に使う画像と、結果の読み方を左右するその 1 つの性質を知りましょう。**
#
# 所要時間は約 1 分です。GPU は要りません。
#
# [Colab で開く](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/01_data.ipynb) · [Binder で開く](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/ja/01_data.ipynb) · [Kaggle で開く](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/01_data.ipynb) · [Codespaces で開く](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [nbviewer で読む](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/01_data.ipynb) · [English](../01_data.ipynb)
#
# このノートブックで行うこと
#
# - *Horses or Humans*（馬か人か）を 1 回の呼び出しで読み込み、TensorFlow Datasets（TFDS）が何を渡してくれるかを見ます。
# - 訓練用画像（training images）と、訓練に使わずに取り分けた評価用画像（held-out images、コードの中では `test`）を見ます。
# - 両者がどう違うかを測り、その違いがなぜ落とし穴になるのかを学びます。

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

# %% [markdown] translates="bcf54ce2d209"
# ## 1 回の呼び出し
#
# *Horses or Humans*（Laurence Moroney、CC BY 2.0）は、コンピュータで描かれた馬と人の画像のデータセット（data set）です。[TFDS](https://www.tensorflow.org/datasets/catalog/horses_or_humans) から手に入ります。補助の関数がなければ、次のように書くところです。
#
# ```python
# tfds.load("horses_or_humans", split=["train", "test"], as_supervised=True, with_info=True)
# ```
#
# `load_data` はこの呼び出しを行い、すべての画像を一度だけデコードして大きさをそろえ、メモリに置きます。データセットが手に入らないときは、代わりに馬と人を描き、そのことを表示します。

# %%
from gc_tutorial import load_data

data = load_data(settings.data, settings.image_size)

# %% [markdown] translates="c0a271e0f4f5"
# 最初のセルが出力した行には、**プロファイル**（profile）の名前が出ています。どれだけ計算するかを決めるもので、`quick`、`standard`（既定）、`full` のどれかです。公開されている例と同じ設定なのは `full` だけで、ほかの 2 つは画像もバッチ（batch）も小さく、エポック（epoch）の数も少なくなっています。どれを使うかは、環境変数 `GC_TUTORIAL_PROFILE` で選びます。
#
# ここから先のノートブックで「公開されている」（published）と言うのは、最後に変更された 2023-07-25 の時点での [Keras の勾配集中化の例](https://keras.io/examples/vision/gradient_centralization/)のことです。この例は 2025 年に変更されました。分かっていることは[ノートブック 4](04_gradient_centralization.ipynb) で述べます。
#
# `load_data` の結果には、訓練用と評価用の 2 つの分割（split）が `tf.data` のパイプライン（pipeline）として入っていて、データセット自身の説明も付いています。

# %%
names = data.info.features["label"].names
for split in ("train", "test"):
    print(f"{split:>5}: {data.info.splits[split].num_examples:,} images")
print("classes:", dict(enumerate(names)))

# %% [markdown] translates="638bc6b38755"
# どの要素も、画像 1 枚とそのラベル（label）です。画像は 0 から 255 までの整数（`uint8`）でできていて、各画素の赤、緑、青がそれぞれ 1 バイトです。モデルに渡す直前まで、このままの形で持っておきます。`float32` にすると、4 倍のメモリが必要になるからです。

# %%
image, label = next(iter(data.train))
print(f"image: shape {image.shape}, {image.dtype.name}, values {image.numpy().min()} to {image.numpy().max()}")
print(f"label: {label.numpy()}, which means {names[label.numpy()]!r}")

# %% [markdown] translates="0b9606539b7a"
# ## クラスごとの枚数は釣り合っているか
#
# 訓練する前に、まず数えましょう。馬と人がほぼ同数なら、でたらめに答えるモデルでも約半分は当たります。ですから、正解率（accuracy）が半分なら、モデルは何も学習していません。

# %%
import numpy as np
import pandas as pd

labels = {
    split: np.array([label for _, label in getattr(data, split).as_numpy_iterator()]) for split in ("train", "test")
}
counts = pd.DataFrame({split: np.bincount(values, minlength=2) for split, values in labels.items()}, index=names)
counts

# %% [markdown] translates="951691d4b36f"
# ## 画像を見る
#
# 訓練に使う画像を 12 枚見てみましょう。図の見出しは「訓練用画像、背景はにぎやか」という意味です。

# %%
from gc_tutorial.plotting import image_grid, show


def first(split, count=12):
    """The first pictures of a split and the names of their classes."""
    pairs = list(getattr(data, split).take(count).as_numpy_iterator())
    return [image for image, _ in pairs], [names[label] for _, label in pairs]


show(
    image_grid(*first("train"), title="Training images: busy backgrounds"),
    alt="Twelve training images of horses and humans, each in front of a background full of colour and texture.",
)

# %% [markdown] translates="e389fe3c9416"
# 次は、評価用画像 12 枚です。図の見出しは「評価用画像、背景は白」という意味です。

# %%
show(
    image_grid(*first("test"), title="Held-out images: white backgrounds"),
    alt="Twelve held-out images of horses and humans, each in front of a plain white background.",
)

# %% [markdown] translates="d276eb9abfb8"
# ## 落とし穴
#
# 2 組の画像は、背景が違います。それぞれの画像のどれだけが白いのか、測ってみましょう。
#
# 次の図は、白い画素の割合（横軸、%）ごとに画像の枚数（縦軸）を示したものです。見出しは、大部分が白い画像の割合を、評価用画像（held-out）、訓練用画像（training）の順に述べています。図の下の文は、中央値（median）にあたる画像で画素の何 % が白いかを、訓練用画像、評価用画像の順に述べています。


# %%
def white_share(split):
    """For each picture, the share of its pixels in which red, green and blue are all above 240."""
    return np.array([(image > 240).all(axis=-1).mean() for image, _ in getattr(data, split).as_numpy_iterator()])


white = {split: white_share(split) for split in ("train", "test")}

# %%
import matplotlib.pyplot as plt
from IPython.display import Markdown
from gc_tutorial.plotting import SPLIT_COLOURS

figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
for split, colour in SPLIT_COLOURS.items():
    axis.hist(100 * white[split], bins=np.linspace(0, 100, 41), color=colour, alpha=0.8, label=f"{split} images")
half = {split: (values > 0.5).mean() for split, values in white.items()}
axis.set(xlabel="white pixels in the picture (%)", ylabel="pictures")
axis.set_title(f"{half['test']:.0%} of held-out pictures are mostly white, {half['train']:.0%} of training pictures")
axis.legend()
show(
    figure,
    alt="Histogram of the share of white pixels: near zero for training images, well above half for test images.",
)

# %%
Markdown(
    f"In the median training picture **{np.median(white['train']):.0%}** of the pixels are white, in the median held-out "
    f"picture **{np.median(white['test']):.0%}**."
)

# %% [markdown] translates="4c66e8167b81"
# モデルは、ある種類の画像で訓練され、別の種類の画像で評価されるわけです。これを**ドメインシフト**（domain shift）と呼びます。ここから 2 つのことが導かれます。公開されている例は評価用画像で測っていないので、どちらも分かりません。
#
# 1. **訓練正解率（training accuracy）からは、あまり多くは分かりません。** モデルは背景を覚えてしまうかもしれません。そうすると、その背景がある画像ではよく当たり、ほかの画像では外れます。そのため、このチュートリアルの比較には必ず評価用画像も含めます。
# 2. **評価正解率（held-out accuracy）は大きく揺れます。** ノートブック 3 で見るように、エポックが 1 つ進むだけで跳ね上がったり落ちたりすることがあるので、1 回の訓練ではほとんど何も証明できません。ノートブック 5 では、いくつものシード（seed、乱数の出発点）で訓練を繰り返し、区間（interval）を示します。

# %% [markdown] translates="543688e8e20c"
# ## 練習問題
#
# モデルは、形をまったく見なくてもクラスを見分けられるでしょうか。訓練用画像それぞれの平均の色を計算し、どの画像にも、平均の色がいちばん近いクラスを割り当ててください。それぞれの分割で、どのくらいの割合が当たるでしょうか。
#
# <details><summary>解答例</summary>
#
# ```python
# def mean_colours(split):
#     return np.array([image.mean(axis=(0, 1)) for image, _ in getattr(data, split).as_numpy_iterator()])
#
# colours = {split: mean_colours(split) for split in ("train", "test")}
# centres = np.array([colours["train"][labels["train"] == k].mean(axis=0) for k in range(len(names))])
# for split in ("train", "test"):
#     distances = np.linalg.norm(colours[split][:, None] - centres, axis=2)
#     print(split, (distances.argmin(axis=1) == labels[split]).mean(), np.bincount(distances.argmin(axis=1), minlength=2))
# ```
#
# 訓練用画像での割合が半分を上回る分は、色だけから来ています。次に、評価用画像での枚数を見てください。白は明るい色です。明るさで決まるなら、すべての画像が同じクラスになることもあり、そのとき正解率はちょうど 50% です。ドメインシフトはこのように害を及ぼします。
#
# </details>

# %% [markdown] translates="229289c0889b"
# ## この章のまとめ
#
# - 1 回の呼び出しで、画像が `uint8` のまま、一度だけデコードされて読み込まれ、データセット自身の情報も付いてきます。
# - 訓練用画像の背景はにぎやかで、評価用画像の背景は白です。これがドメインシフトです。
# - 結果は評価用画像で、しかも何回もの訓練から判断してください。
#
# 次は [2. データ拡張](02_augmentation.ipynb) です。訓練用画像の種類を増やします。
