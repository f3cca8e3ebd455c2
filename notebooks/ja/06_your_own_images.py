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

# %% [markdown] translates="40d13b6ee8f7"
# # 6. 自分の画像
#
# **自分の画像を入れたフォルダか zip を使って、勾配中心化（GC）あり・なしの訓練を行い、モデルが画像のどこに手がかりを見つけているのかを調べましょう。**
#
# 所要時間は、CPU 2 コアで約 1 分です。GPU は要りません。
#
# [Colab で開く](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/06_your_own_images.ipynb) · [Binder で開く](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/ja/06_your_own_images.ipynb) · [Kaggle で開く](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/06_your_own_images.ipynb) · [Codespaces で開く](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [nbviewer で読む](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/06_your_own_images.ipynb) · [English](../06_your_own_images.ipynb)
#
# このノートブックで行うこと
#
# - フォルダと zip から、2 クラス以上の画像を読み込みます。そのあとで、自分の画像を読み込みます。
# - 3 ブロックのネットワークを、より強いデータ拡張で訓練します。訓練に使わずに取り分けた**評価用画像**で評価し、結果を表にまとめます。
# - 学習曲線からは分からないこと、つまり、モデルが役に立つかどうか、どのクラスを取り違えるか、どこに手がかりを見つけているかを調べます。

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

# %% [markdown] translates="aa281846a5f0"
# ## フォルダ
#
# ディスクに置かれたデータセットは、たいてい `train/<class>/*` と `test/<class>/*` のように、フォルダの中にフォルダがある形をしています。このノートブックがどこでも実行できるように、まず、読み込んだばかりの画像からそのようなフォルダを書き出します。
#
# そのあとの表は、分割（split）とクラス（class）ごとのファイルの数（count）と、最初（min）と最後（max）のファイル名です。train は訓練用、test は評価用、horses は馬、humans は人です。

# %%
import tempfile
from pathlib import Path

from PIL import Image

temporary = tempfile.TemporaryDirectory()  # it is deleted when the notebook ends
folder = Path(temporary.name) / "photos"
classes = data.info.features["label"].names
for split, pictures in {"train": data.train, "test": data.test}.items():
    for number, (picture, label) in enumerate(pictures.as_numpy_iterator()):
        path = folder / split / classes[label] / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path, compress_level=1)

# %%
import pandas as pd

files = pd.DataFrame(
    [path.relative_to(folder).parts for path in folder.glob("*/*/*")], columns=["split", "class", "file"]
)
files.groupby(["split", "class"])["file"].agg(["count", "min", "max"])

# %% [markdown] translates="108c598f7b01"
# `load_data` に、このフォルダのパスを渡します。訓練が始まる前にすべてのファイルを読むので、読めない画像があれば、訓練の途中ではなく、この時点でファイル名が分かります。

# %%
from_folder = load_data(folder, settings.image_size)

# %% [markdown] translates="e9a37d85c87f"
# フォルダを zip にしたものも使えます。展開せずに読むので、ほかの人から受け取った zip でも、ファイルを勝手に書き込まれるおそれはありません。
#
# 出力は、「画素が同じか」に True（はい）か False（いいえ）で答えたものです。

# %%
import shutil

import numpy as np
from gc_tutorial import text

from_zip = load_data(shutil.make_archive(folder, "zip", folder), settings.image_size)
same = np.array_equal(from_folder.train_images, from_zip.train_images)
print(text("same pixels: {same}", same=same))

# %% [markdown] translates="fe46790b896f"
# 渡されたものを使えないとき、`load_data` は、その理由と対処のしかたを、エラーメッセージで示します。たとえば、パスではなく Web のアドレスを渡すと、次のようになります。

# %%
try:
    load_data("https://example.com/horse-or-human.zip")
except ValueError as error:
    print(error)

# %% [markdown] translates="7699ca95d5eb"
# ## ここで自分のフォルダを指定する
#
# **書き換えるのは、このすぐ下のセルです。** フォルダには 2 つ以上のクラスが必要です。画像の形式は PNG、JPEG、WebP、GIF、BMP のどれかで、サイズは問いません。`train` と `test` がなく、`<class>/*` だけのときは、各クラスの 5 分の 1 をランダムに評価用に取り分けます。（ランダムに分割してはいけない場合は、練習問題で見ます。）読めないファイルがあると読み込みはそこで止まりますが、`on_error="skip"` を加えれば止まりません。これより下のセルはすべて、ここに書いたフォルダを使います。
#
# ▼▼▼ と ▲▲▲ の間に、フォルダか zip の名前を引用符で囲んで書きます。読み込んだあとに表示される文は、クラスの数と名前、そして、いちばん多いクラスをいつも答えるモデルが評価用画像の何パーセントに正しく答えるかを示します。役に立つモデルなら、それを上回らなければなりません。

# %%
# ▼▼▼ your folder or zip, in quotes: "my_photos" or "my_photos.zip" ▼▼▼
my_images = folder
# ▲▲▲ your folder or zip ▲▲▲

own = load_data(my_images, settings.image_size)

# %%
from IPython.display import Markdown

names = own.info.features["label"].names
pictures, truth = (part.numpy() for part in next(iter(own.test.batch(len(own.test)))))
guessing = np.bincount(truth).max() / len(truth)
Markdown(
    text(
        "{count} classes: {names}. A model that always answers with the most frequent class is right for **{guessing:.0%}** of the "
        "{images} held-out images. A useful model must be right more often.",
        count=len(names),
        names=text(", ").join(names),
        guessing=guessing,
        images=len(truth),
    )
)

# %% [markdown] translates="1ec479073529"
# ## より強いデータ拡張
#
# ここからは、Keras の例（公開例）とは違う設定を使います。画像を最大 40° 回転し、辺の 0.2 倍まで平行移動（shift）し、最大 0.2 のせん断（shear）と最大 0.2 のズームをかけ、左右に反転します。上下には反転しません。画像の外側に当たるところは、縁の画素のうちいちばん近いものの色になります。せん断と平行移動もアフィン変換なので、[ノートブック 2](02_augmentation.ipynb) と同じように、すべてを **1 回**のリサンプリングで行えます。

# %%
from gc_tutorial import STRONG_AUGMENTATION, training_batches
from gc_tutorial.plotting import image_grid, show

picture = own.train_images[0]
copies = training_batches(
    np.stack([picture] * 11), np.zeros(11, int), batch_size=11, seed=1, ranges=STRONG_AUGMENTATION
)
augmented, _ = next(iter(copies))
show(
    image_grid(
        [picture, *augmented.numpy()],
        [text("original"), *[text("draw {number}", number=number) for number in range(1, 12)]],
        title="One image and eleven random draws",
    ),
    alt="One training image and eleven versions of it, each turned, shifted, sheared, zoomed and flipped at random.",
)

# %% [markdown] translates="6344e1e4a6f5"
# ## 本当に小さいネットワークなのか
#
# ここで使うネットワークは、[ノートブック 3](03_cnn.ipynb) のネットワークの初めの 3 ブロックのあとに、同じ 512 ユニットの全結合層を置いたものです。出力は、2 クラスなら 1 つ、もっと多ければクラスごとに 1 つで、それに合う損失関数は `loss_for` が選びます。層は少ないのに、パラメータは多くなります。
#
# 表の行は、ノートブック 3 のネットワークとここで使うネットワークを画像のサイズごとに並べたもので、列はパラメータの数です。

# %%
from gc_tutorial import build_cnn, build_three_block_cnn

sizes = {
    text("{name}, {size}×{size}", name=name, size=size): build(size, classes=len(names)).count_params()
    for size in dict.fromkeys((settings.image_size, 200))
    for name, build in {text("five blocks"): build_cnn, text("three blocks"): build_three_block_cnn}.items()
}
pd.Series(sizes, name=text("parameters")).map("{:,}".format).to_frame()

# %% [markdown] translates="f4e690c7182f"
# パラメータのほとんどは、全結合層にあります。最後のプーリングから出てくる値の 1 つ 1 つに対して、512 個のユニットのそれぞれが重みをもつからです。ブロックを 1 つ通るたびに、チャネルごとの値の個数はおよそ 4 分の 1 になります。ですから 3 ブロックでは、5 ブロックよりずっと多くの値が残ります。
#
# ## GC あり・なしで訓練する
#
# ここでは、8 バッチの訓練と評価を 10 回繰り返します。Keras はその 1 回をエポックと呼びます。しかし、エポックとは訓練用画像を**すべて**ひととおり使うことなので、ここではこれを**ラウンド**と呼びます。`repeat` は、すべての画像を使い終わると、新しい順序でまた始めます。
#
# 比べるのは、GC なし（基準）と GC ありの 2 つの**群**（arm）です。GC ありの群は、表や凡例では「勾配への GC」と呼びます。どちらも同じ重みから始まり、同じバッチを使います。

# %%
import keras
from gc_tutorial import GCRMSprop, TimeHistory, loss_for


def train(images, optimizer):
    """Ten rounds of eight batches from seed 0; returns the model and a table of its rounds."""
    keras.utils.set_random_seed(0)
    model = build_three_block_cnn(settings.image_size, classes=images.info.features["label"].num_classes)
    model.compile(optimizer, loss_for(model), metrics=["accuracy"])
    batches = training_batches(
        images.train_images, images.train_labels, settings.batch_size, seed=0, ranges=STRONG_AUGMENTATION
    )
    times, test = TimeHistory(), images.test.batch(32)
    fitting = {"validation_data": test, "callbacks": [times], "shuffle": False, "verbose": 0}
    history = model.fit(batches.repeat(), steps_per_epoch=8, epochs=10, **fitting)
    columns = ["train_accuracy", "train_loss", "test_accuracy", "test_loss"]
    table = pd.DataFrame(history.history)[["accuracy", "loss", "val_accuracy", "val_loss"]].set_axis(columns, axis=1)
    return model, table.assign(seconds=times.train_seconds, epoch=range(1, 11))


# %%
optimizers = {"none": keras.optimizers.RMSprop, "gradient": GCRMSprop}
trained = {arm: train(own, optimizer(settings.learning_rate)) for arm, optimizer in optimizers.items()}
runs = pd.concat([table.assign(arm=arm, seed=0) for arm, (_, table) in trained.items()])

# %%
from gc_tutorial.plotting import LABELS, MEASURES, learning_curves

final = runs[runs["epoch"] == runs["epoch"].max()].set_index("arm")
ends = {
    **final["train_loss"],
    "right_none": final.loc["none", "test_accuracy"],
    "right": final.loc["gradient", "test_accuracy"],
}
first = runs[runs["epoch"] == 1].set_index("arm")["train_loss"]
later = runs.loc[runs["epoch"] > 1, "train_loss"]

# %% tags=["hide-input"]
title = (
    "One run each, after ten rounds: training loss {none:.2f} without GC and {gradient:.2f} with GC, "
    "held-out accuracy {right_none:.0%} and {right:.0%}"
)
figure = learning_curves(runs, title=text(title, **ends))
figure.axes[-1].set_xlabel("round of 8 batches")
figure.axes[-1].axhline(guessing, color="black", lw=1, ls=":")
figure.axes[-1].text(1.01, guessing, text("guessing"), transform=figure.axes[-1].get_yaxis_transform(), va="center")
if first.max() > 1.5 * later.max():  # it would press all other rounds into a line
    figure.axes[0].set_ylim(0.9 * later.min(), 1.1 * later.max())
    said = text("round 1 is cut off: {none:.1f} (no GC), {gradient:.1f} (GC)", **first)
    figure.axes[0].text(
        0.98, 0.94, said, transform=figure.axes[0].transAxes, ha="right", va="top", backgroundcolor="white"
    )
show(
    figure,
    alt=text(
        "Training loss, held-out loss and held-out accuracy by round, for one run without and one with GC. The training loss "
        "ends at {none:.2f} without GC and at {gradient:.2f} with GC.",
        **ends,
    ),
)

# %%
count = len(own.train_images)
print(
    text("A round uses {seen:,} of {count:,} training images.", seen=min(8 * settings.batch_size, count), count=count)
)

# %% [markdown] translates="18a65dc89c8a"
# ### 結果
#
# 損失と正解率は、最後のラウンドのものです。秒数は全ラウンドの合計で、Keras がプログラムを組み立てる時間は含みますが、評価用画像での評価にかかった時間は含みません。

# %%
results = runs.groupby("arm", sort=False).agg(
    seconds=("seconds", "sum"),
    train_accuracy=("train_accuracy", "last"),
    train_loss=("train_loss", "last"),
    test_accuracy=("test_accuracy", "last"),
    test_loss=("test_loss", "last"),
)
columns = {**MEASURES, "seconds": text("seconds of training")}
results.rename(index=LABELS, columns=columns).rename_axis(text("arm")).round(2)

# %%
from gc_tutorial.language import sentences
from gc_tutorial.study.analysis import load_study
from gc_tutorial.study.evidence.wording import changed_by

change = results.loc["gradient"] - results.loc["none"]
found = [
    text(
        "After the last round, the training loss with GC is {loss}, and the held-out accuracy is {accuracy}. This is **one pair "
        "of runs**, of {steps} steps each, at one learning rate, and {images} held-out images. It cannot say whether GC makes a "
        "difference on your images.",
        loss=changed_by(change["train_loss"], joined=True),
        accuracy=changed_by(100 * change["test_accuracy"], text(" percentage points")),
        steps=8 * 10,
        images=len(truth),
    ),
    text(
        "`gc_tutorial.compare(my_images, seeds=10)` repeats a comparison over ten seeds, with the network of five blocks and the "
        "augmentation of notebook 2. With its default settings and the images of *Horses or Humans*, training took {minutes:.0f} "
        "minutes on two processor cores.",
        minutes=load_study("rmsprop")["seconds"].sum() / 60,
    ),
]
Markdown(sentences(found))

# %% [markdown] translates="931b01f04ab5"
# ただし、`compare` はどの群にも同じ 1 つの学習率を使います。それがどのような誤解を招くかは、[ノートブック 5](05_comparison.ipynb) で示しています。信頼できる答えを得るには、群ごとに学習率を調整してください。[ノートブック 9](09_should_you_use_it.ipynb) には、そのための計画と、それを自分の画像のフォルダで実行する方法があります。
#
# ## どのクラスを取り違えるか
#
# そもそも、2 つのモデルのうち、役に立つものはあるのでしょうか。次の表は、それぞれのモデルの混同行列（confusion matrix）で、行が正しいクラス、列がモデルの答えです。ここでは、いちばん多いクラスをいつも答えるモデルに比べて、間違いが 5 分の 1 以上少ないモデルを、「役に立つ」と呼びます。


# %%
def probabilities(model):
    """The probability of each class, of shape (images, classes)."""
    given = model.predict(pictures, verbose=0)
    return np.hstack([1 - given, given]) if len(names) == 2 else given  # one output is that of the second class


def confusion_matrix(answers):
    """How often each true class (row) got each answer (column)."""
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (truth, answers), 1)
    return pd.DataFrame(counts, pd.Index(names, name=text("truth")), pd.Index(names, name=text("answer")))


# %%
probability = {arm: probabilities(model) for arm, (model, _) in trained.items()}
answers = {arm: given.argmax(axis=1) for arm, given in probability.items()}
matrices = {LABELS[arm]: confusion_matrix(given) for arm, given in answers.items()}
pd.concat(matrices, names=[text("model")])

# %%
right = {arm: (given == truth).mean() for arm, given in answers.items()}
said = "- **{arm}**: the most frequent answer is *{top}*, for {most} of {count} held-out images. **{right:.0%}** of all answers are right."
lines = []
for arm, given in answers.items():
    counts = np.bincount(given, minlength=len(names))
    values = {"top": names[counts.argmax()], "most": counts.max(), "count": len(truth), "right": right[arm]}
    lines.append(text(said, arm=LABELS[arm], **values))
Markdown("\n".join(lines))

# %%
useful = [arm for arm in right if 1 - right[arm] <= 0.8 * (1 - guessing)]
verdict = "**After {steps} steps neither model is useful.** So this pair of runs says nothing about GC."
if len(useful) == 1:
    verdict = "**After {steps} steps only one model is useful: {arm}.** One pair of runs cannot say whether this is due to GC."
elif useful:
    verdict = "**After {steps} steps both models are useful.** Which of them is better, one pair of runs cannot say."
curves = "The training accuracy alone, {none:.0%} without GC and {gradient:.0%} with GC, does not show this."
found = [
    text(verdict, steps=8 * 10, arm=LABELS[useful[0]] if useful else ""),
    text(curves, **{arm: table["train_accuracy"].iloc[-1] for arm, (_, table) in trained.items()}),
]
Markdown(sentences(found))

# %%
chosen = max(right, key=right.get)
answer = answers[chosen]
confusions = pd.Series([(names[truth[k]], names[answer[k]]) for k in np.flatnonzero(answer != truth)]).value_counts()
better = "From here on we look at the model that is right more often: {arm}."
if len(set(right.values())) == 1:
    better = "Both models are right equally often. From here on we look at one of them: {arm}."
found = [text(better, arm=LABELS[chosen])]
if len(confusions):
    worst = {"truth": confusions.index[0][0], "answer": confusions.index[0][1], "times": confusions.iloc[0]}
    found.append(text("Its most frequent mistake is {truth} taken for {answer} ({times} times).", **worst))
Markdown(sentences(found))

# %% [markdown] translates="dbc7546ed733"
# ## どの画像をいちばんひどく間違えるか
#
# 次の図は、モデルが正しいクラスに与えた確率がいちばん低い 12 枚の画像です。このような画像は、必ず自分の目で見てください。自分のデータセットでは、間違ったフォルダに入っている画像かもしれません。

# %%
given = probability[chosen][np.arange(len(truth)), truth]
least = np.argsort(given)[:12]
titles = [f"{Path(own.test_files[k]).name}\n{names[truth[k]]}: {given[k]:.1%}" for k in least]
show(
    image_grid(
        pictures[least],
        titles,
        title=text("The 12 held-out images whose true class gets the lowest probability ({arm})", arm=LABELS[chosen]),
    ),
    alt="The held-out images whose true class gets the lowest probability, each with file name, true class and probability.",
)

# %% [markdown] translates="ad7780dd1882"
# ## 画像のどこを使っているか
#
# Grad-CAM（[Selvaraju et al. 2017](https://arxiv.org/abs/1610.02391)）は、画像ごとに**ヒートマップ**（heat map）を作ります。まず、最後の畳み込み層のチャネルごとに、そのチャネルの値が大きくなると、答えのスコアがどれだけ上がるかを計算します。そして、計算したこの量を重みとしてチャネルを足し合わせ、正の部分だけを残します。ヒートマップの明るいところが、答えのスコアを上げるところです。明るいところがなければ、この層はスコアを上げていません。
#
# 上の段は、評価用画像とその正しいクラス、モデルの答えです。下の段は、その答えの手がかりを示すヒートマップです。

# %%
import tensorflow as tf


def grad_cam(model, images, classes):
    """A map of shape (count, size, size), 0 to 1, for each image and the class that is asked about."""
    convolution = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)][-1]
    before, last = model.layers[-2:]  # the score before the sigmoid or softmax, behind which its gradient can vanish
    inner = keras.Model(model.inputs[0], [convolution.output, before.output])
    with tf.GradientTape() as tape:
        channels, features = inner(images, training=False)
        scores = tf.matmul(tf.cast(features, tf.float32), last.kernel) + last.bias
        if scores.shape[-1] == 1:  # one output, the probability of class 1
            scores = tf.concat([-scores, scores], axis=1)
        score = tf.gather(scores, classes, batch_dims=1)
    weights = tf.reduce_mean(tape.gradient(score, channels), axis=(1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(weights * channels, axis=-1, keepdims=True))
    heat = tf.math.divide_no_nan(heat, tf.reduce_max(heat, axis=(1, 2), keepdims=True))
    return tf.image.resize(heat, images.shape[1:3])[..., 0].numpy()


# %%
import matplotlib.pyplot as plt

some = np.random.default_rng(0).permutation(len(truth))[:32]
heat = grad_cam(trained[chosen][0], pictures[some], answer[some])

# %% tags=["hide-input"]
first = some[:4]
titles = [
    text(
        "{truth}\n{mark}answer: {answer}",
        truth=names[truth[k]],
        mark="" if truth[k] == answer[k] else "✗ ",
        answer=names[answer[k]],
    )
    for k in first
]
titles += [text("evidence for\n{answer}", answer=names[answer[k]]) for k in first]
maps = plt.colormaps["inferno"](heat[: len(first)])[..., :3]
title = "Bright: what raises the score of the answer ({arm}; ✗: wrong)"
figure = image_grid(
    [*pictures[first], *maps], titles, columns=len(first), side=1.6, title=text(title, arm=LABELS[chosen])
)
lower = figure.axes[len(first) :]
bar = figure.colorbar(plt.cm.ScalarMappable(cmap="inferno"), ax=lower, location="bottom", aspect=40)
bar.set_label(text("evidence (1: the brightest place of each map)"))
show(
    figure,
    alt="Four held-out images with their true class and the answer, and below each a map of the evidence for the answer.",
)

# %% [markdown] translates="7cd54f2cf908"
# モデルが使っているのは、被写体（subject）でしょうか、それとも背景でしょうか。*Horses or Humans* の評価用画像のように背景が白ければ、測ることができます。ヒートマップの明るさのうち、どれだけの割合が白い画素の上にあるでしょうか。比べる相手は**一様な明るさのヒートマップ**で、どこを取っても明るさが変わらないものです。画像の 80% が白なら、このヒートマップでは、明るさの 80% が白い画素の上にあります。違いが 10 ポイント以上あれば、明らかな違いとします。次のセルでは、最大 32 枚の画像でこれを測ります。

# %%
bright = heat.any(axis=(1, 2))  # a map that is dark everywhere has no brightness to share out
white = (pictures[some][bright] > 240).all(axis=-1)
shares = (heat[bright] * white).sum(axis=(1, 2)) / heat[bright].sum(axis=(1, 2))
even, on_white = (part.mean() if bright.any() else 0 for part in (white, shares))
said = "In {count} images with a map, {even:.0%} of the pixels are white, and {on_white:.0%} of the brightness of a map is on them on average."
measured = [text(said, count=len(shares), even=even, on_white=on_white)] if bright.any() else []

# %%
from gc_tutorial.language import Words

findings = Words(
    {
        "dark": "The maps are dark everywhere: this layer does not raise the score of the answer in any of them.",
        "little": "There is too little white in these images to tell. Compare the maps with the images.",
        "same": "That is about as much as in an even map. **So the maps show neither that the model uses the subject, nor that it "
        "uses the background.**",
        "more": "**That is clearly more than in an even map.** So the evidence leans towards the white places. With a white "
        "background, these are mostly background.",
        "less": "**That is clearly less than in an even map.** So the evidence leans towards the places that are not white. With a "
        "white background, these are mostly the subject.",
    }
)
kind = "more" if on_white >= even + 0.1 else "less" if on_white <= even - 0.1 else "same"
kind = "dark" if not measured else "little" if even < 0.1 else kind
found = [*measured, findings[kind]]
counts = np.bincount(answer, minlength=len(names))
if measured and counts.max() > 0.9 * len(answer):
    always = {"answer": names[counts.argmax()], "most": counts.max(), "count": len(answer)}
    constant = (
        "This model answers *{answer}* to {most} of {count} held-out images. So the maps show where its layer responds, and not how "
        "it tells the classes apart."
    )
    found.append(text(constant, **always))
Markdown(sentences(found))

# %% [markdown] translates="551f1e587cbe"
# 背景に頼るモデルは、訓練正解率が高くても、背景が変わると失敗することがあります。それは、学習曲線からは分かりません。モデルが失敗することは、混同行列から分かります。ヒートマップは、その理由を知る手がかりになることもあります。ただし、それは、モデルがそもそもクラスを見分けていて、しかもヒートマップが一様な明るさのものと明らかに違うときだけです。
#
# ## 練習問題
#
# *Horses or Humans* の評価用画像の背景は白く、訓練用画像の背景はそうではありません（ノートブック 1）。訓練に使ったのと**同じ種類**の評価用画像なら、モデルの成績はどのくらいでしょうか。訓練用画像の 5 分の 1 を、評価用に取り分けてください。ただし、訓練用画像に写っているのは馬 50 頭と人 17 人だけで、それぞれがいろいろな向きから写っています。どの画像に何が写っているかの一覧は、`gc_tutorial.study.datasets.training_figures()` で得られます。
#
# 次のセルが解答例です。折りたたんであるので、まず自分で解いてから開いてください。

# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title Solution
from dataclasses import replace

from gc_tutorial.pipeline import dataset_of
from gc_tutorial.study.datasets import training_figures
from sklearn.model_selection import StratifiedGroupKFold

known = my_images == folder and data.info.name == "horses_or_humans"
source = data if known else own  # `data` has the order of the list of figures
labels = source.train_labels
figures = training_figures()["figure"].to_numpy() if known else np.arange(len(labels))  # else each image is its own
folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)  # the images of one figure stay together
kept, held = next(folds.split(labels, labels, figures))
test = dataset_of(source.train_images[held], labels[held])
same_kind = replace(source, train_images=source.train_images[kept], train_labels=labels[kept], test=test)
_, table = train(same_kind, optimizers[chosen](settings.learning_rate))
answer = "Answer: the model is right for {accuracy:.0%} of {count} held-out images of the same kind."
print(text(answer, accuracy=table["test_accuracy"].iloc[-1], count=len(held)))
print(text("It was right for {accuracy:.0%} of the held-out images above.", accuracy=right[chosen]))
if known:
    shown = "The {count} images show {figures} horses and humans that are in no training image."
    print(text(shown, count=len(held), figures=len(set(figures[held]))))
    if table["test_accuracy"].iloc[-1] < 0.6:
        print(
            text(
                "So the white background is not the only reason: after so few steps the model has learned little that "
                "holds for new horses and humans."
            )
        )
    print(
        text(
            "A random split would put images of one horse into both parts, and the accuracy would say little about new horses."
        )
    )
else:
    print(
        text(
            "Careful: this split is random. If your images come in series (one person, place or day), split by series."
        )
    )

# %% [markdown] translates="0ca916736964"
# ## このノートブックのまとめ
#
# - `load_data` は、フォルダや zip から 2 クラス以上の画像を読み込み、訓練の前に確かめます。
# - 回転、平行移動、せん断、ズーム、反転を合わせても、リサンプリングは 1 回です。3 ブロックのネットワークを訓練し、GC あり・なしを表で比べました。
# - 学習曲線だけでは、モデルが役に立つかどうかは分かりません。混同行列と、モデルがいちばんひどく間違える画像を見てください。手がかりのヒートマップから何かが分かるのは、モデルが役に立ち、しかもヒートマップが一様な明るさのものと明らかに違うときだけです。
#
# 次は [7. どのオプティマイザでも](07_any_optimizer.ipynb) です。Adam や SGD などのオプティマイザで勾配中心化を使います。
