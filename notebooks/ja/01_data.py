# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] translates="ef86cc52ac9a"
# # 1. 画像
#
# **このあとのすべてのノートブックで訓練に使う画像を見て、結果を読むうえでいちばん大切な性質を確かめましょう。**
#
# 所要時間は、画像のダウンロードを除いて、CPU 2 コアで 1 分以内です。GPU は要りません。
#
# [Colab で開く](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/01_data.ipynb) · [Binder で開く](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/ja/01_data.ipynb) · [Kaggle で開く](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/01_data.ipynb) · [Codespaces で開く](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [nbviewer で読む](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/01_data.ipynb) · [English](../01_data.ipynb)
#
# このノートブックで行うこと
#
# - *Horses or Humans*（馬か人か）を 1 回の呼び出しで読み込み、TensorFlow Datasets（TFDS）が何を返すかを見ます。
# - 訓練用画像（training images）と、訓練に使わずに取り分けた評価用画像（コードの中では `test`）を見ます。
# - 両者がどう違うかを測り、その違いがなぜ重要なのかを見ます。

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

# %% [markdown] translates="bf171cc695dc"
# ## 1 回の呼び出しで読み込む
#
# *Horses or Humans*（Laurence Moroney、CC BY 2.0）は、CG で作られた馬と人の画像のデータセットです。[TFDS](https://www.tensorflow.org/datasets/catalog/horses_or_humans) から手に入ります。このパッケージの補助関数 `load_data` がなければ、次のように書くところです。
#
# ```python
# tfds.load("horses_or_humans", split=["train", "test"], as_supervised=True, with_info=True)
# ```
#
# `load_data` はこの呼び出しを行い、すべての画像を一度だけデコードして大きさをそろえ、メモリに置きます。データセットをダウンロードできないときは、代わりにプログラムで描いた画像（synthetic images）を使い、そのことを表示します。

# %%
from gc_tutorial import load_data

data = load_data(settings.data, settings.image_size)

# %% [markdown] translates="4d6d3aaca0ed"
# 最初のセルは、**プロファイル**の名前を出力しました。プロファイルは、どれだけ計算するかを決めるもので、`quick`、`standard`（既定）、`full` のどれかです。公開例と同じ設定なのは `full` だけで、ほかの 2 つは画像もバッチも小さく、エポック（訓練用画像をひととおり使うこと）の数も少なくなっています。どれを使うかは、環境変数 `GC_TUTORIAL_PROFILE` で選びます。
#
# ここから先のノートブックで「公開例」（the published example）と言うのは、最終更新日が 2023-07-25 の版の [Keras の勾配中心化の例](https://keras.io/examples/vision/gradient_centralization/)のことです。この例は、その後変更されています。分かっている変更は、[ノートブック 4](04_gradient_centralization.ipynb) に挙げます。
#
# `load_data` の結果には、訓練用と評価用の 2 つの分割（split）が `tf.data` のパイプラインとして入っていて、データセット自身の説明も付いています。クラスや分割の名前は英語のままで、horses は馬、humans は人、train は訓練用、test は評価用です。

# %%
from gc_tutorial import text

names = data.info.features["label"].names
for split in ("train", "test"):
    print(text("{split:>5}: {count:,} images", split=split, count=data.info.splits[split].num_examples))
print(text("classes: {classes}", classes=dict(enumerate(names))))

# %% [markdown] translates="24cb1142d800"
# どの要素も、画像 1 枚とそのラベルです。画像は 0 から 255 までの整数（`uint8`）でできていて、どの画素でも赤、緑、青がそれぞれ 1 バイトです。モデルに渡すまで、このままの形で持っておきます。`float32` にすると、4 倍のメモリが必要になるからです。

# %%
image, label = next(iter(data.train))
low, high = image.numpy().min(), image.numpy().max()
print(
    text(
        "image: shape {shape}, {kind}, values {low} to {high}",
        shape=image.shape,
        kind=image.dtype.name,
        low=low,
        high=high,
    )
)
print(text("label: {label}, which means {name!r}", label=label.numpy(), name=names[label.numpy()]))

# %% [markdown] translates="b34eb6cf35ea"
# ## クラスごとの枚数は釣り合っているか
#
# 訓練する前に、まず数えましょう。馬と人がほぼ同数なら、でたらめに答えるモデルでも約半分は当たります。つまり、正解率（accuracy）が半分ほどなら、でたらめに答えるのと変わりません。

# %%
import numpy as np
import pandas as pd

labels = {
    split: np.array([label for _, label in getattr(data, split).as_numpy_iterator()]) for split in ("train", "test")
}
counts = pd.DataFrame({split: np.bincount(values, minlength=2) for split, values in labels.items()}, index=names)
counts

# %% [markdown] translates="8f6f96d734a6"
# ## 画像を見る
#
# 訓練に使う画像を 12 枚見てみましょう。

# %%
from gc_tutorial.plotting import image_grid, show


def first(split, count=12):
    """The first images of a split and the names of their classes."""
    pairs = list(getattr(data, split).take(count).as_numpy_iterator())
    return [image for image, _ in pairs], [names[label] for _, label in pairs]


show(
    image_grid(*first("train"), title="Training images: busy backgrounds"),
    alt="Twelve training images of horses and humans, each in front of a background full of colour and texture.",
)

# %% [markdown] translates="465434c62934"
# 次は、評価用画像 12 枚です。

# %%
show(
    image_grid(*first("test"), title="Held-out images: white backgrounds"),
    alt="Twelve held-out images of horses and humans, each in front of a plain white background.",
)

# %% [markdown] translates="edbff4fb5de9"
# ## どう違うか
#
# 訓練用画像と評価用画像では、背景が違います。この違いは測ることができます。それぞれの画像で、白い部分はどれだけの割合を占めるでしょうか。


# %%
def white_share(split):
    """For each image, the share of its pixels in which red, green and blue are all above 240."""
    return np.array([(image > 240).all(axis=-1).mean() for image, _ in getattr(data, split).as_numpy_iterator()])


white = {split: white_share(split) for split in ("train", "test")}

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
from IPython.display import Markdown
from gc_tutorial.plotting import SPLIT_COLOURS, WIDTH, set_title

splits = {"train": text("training images"), "test": text("held-out images")}
counted = {
    split: text("{mostly:,} of {count:,} {name}", mostly=(white[split] > 0.5).sum(), count=len(white[split]), name=name)
    for split, name in splits.items()
}
figure, axis = plt.subplots(figsize=(WIDTH, 3.4), layout="constrained")
for split, name in splits.items():
    axis.hist(100 * white[split], bins=np.linspace(0, 100, 41), color=SPLIT_COLOURS[split], label=name)
axis.set(xlabel="white pixels in the image (%)", ylabel="images")
set_title(figure, text("More than half white: {test}, {train}", **counted))
axis.legend()
show(
    figure,
    alt=text("Histogram of the share of white pixels. It is above one half in {test}, {train}.", **counted),
)

# %%
Markdown(
    text(
        "In the median training image **{train:.0%}** of the pixels are white, in the median held-out image **{test:.0%}**.",
        **{split: np.median(values) for split, values in white.items()},
    )
)

# %% [markdown] translates="1c3b1619b09d"
# モデルは、ある種類の画像で訓練され、別の種類の画像で評価されるわけです。これを**ドメインシフト**と呼びます。その影響は 2 つあります。公開例は評価用画像での評価を行わないので、そこにはどちらも現れません。なお、評価用画像での正解率と損失を、このチュートリアルでは**テスト正解率**（held-out accuracy）、**テスト損失**（held-out loss）と呼びます。
#
# 1. **訓練正解率（training accuracy）から分かることは、多くありません。** モデルは背景を覚えてしまうかもしれません。そうすると、その背景がある画像ではよく当たり、ほかの画像では外れます。そのため、このチュートリアルの比較には必ず評価用画像も含めます。
# 2. **このデータでは、テスト正解率が大きく揺れます。** ノートブック 3 で見るように、エポックが 1 つ進むだけで跳ね上がったり落ちたりすることがあります。ドメインシフトが、その理由の 1 つかもしれません。そのため、1 回の訓練ではほとんど何も証明できません。ノートブック 5 では、いくつものシード（乱数の出発点）で訓練を繰り返し、区間（interval）を示します。
#
# あとで、もう 1 組の評価用画像が出てきます。[ノートブック 5](05_comparison.ipynb) から先では、計画した実験のほとんどで、訓練用画像に写っている馬と人からも一部を選び、その馬や人の画像をすべて評価用に取り分けます。そこで、2 組の評価用画像を呼び分けます。**背景が白い画像**（images on white）は、このノートブックで見た評価用画像です。計画した実験のうち、この画像を使うもので「評価用」（held-out）と言うときは、**訓練用画像から取り分けた馬と人**のほうを指します。その背景は、訓練に使う画像の背景と似ています。

# %% [markdown] translates="e3936f36b7e4"
# ## 練習問題
#
# プログラムは、形をまったく見なくてもクラスを見分けられるでしょうか。訓練用画像それぞれの平均の色を計算してください。次に、どの画像にも、平均の色がいちばん近いクラスを割り当てます。それぞれの分割で、どのくらいの割合が当たるでしょうか。
#
# 次のセルが解答例です。折りたたんであるので、まず自分で解いてから開いてください。


# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title Solution
def mean_colours(split):
    return np.array([image.mean(axis=(0, 1)) for image, _ in getattr(data, split).as_numpy_iterator()])


colours = {split: mean_colours(split) for split in labels}
centres = np.array([colours["train"][labels["train"] == k].mean(axis=0) for k in range(len(names))])
given = {split: np.linalg.norm(values[:, None] - centres, axis=2).argmin(axis=1) for split, values in colours.items()}
right = {split: (given[split] == labels[split]).mean() for split in given}
counts = np.bincount(given["test"], minlength=len(names))
most, total, name = counts.max(), counts.sum(), names[counts.argmax()]
print(
    text(
        "Answer: colour alone is right for {train:.0%} of the training and {test:.0%} of the held-out images.", **right
    )
)
print(text("It calls {most} of the {total} held-out images {name}.", most=most, total=total, name=name))
if most > 0.9 * total:
    print(text("White is a bright colour, so nearly all held-out images get the class that is brighter in training."))
    print(
        text(
            "This is how a domain shift hurts: what was learned from the backgrounds is of no use on other backgrounds."
        )
    )

# %% [markdown] translates="bbb689e63937"
# ## このノートブックのまとめ
#
# - 1 回の呼び出しで、画像は一度だけデコードされて `uint8` で読み込まれ、データセット自身の説明も付いてきます。
# - 訓練用画像の背景はにぎやかで、評価用画像の背景は白です。これがドメインシフトです。
# - したがって、結果のよしあしは、評価用画像を使い、何回もの訓練を通して判断してください。
#
# 次は [2. データ拡張](02_augmentation.ipynb) です。訓練用画像にさまざまな変化をつけます。
