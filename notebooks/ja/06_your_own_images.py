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

# %% [markdown] translates="20773c7aeebc"
# # 6. 自分の画像
#
# **自分の画像を入れたフォルダか zip を使って、勾配中心化（GC）あり・なしの訓練を行い、モデルが画像のどこを使っているのかを調べましょう。**
#
# 所要時間は、CPU 2 コアで 2〜3 分です。GPU は要りません。
#
# [Colab で開く](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/06_your_own_images.ipynb) · [Binder で開く](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/ja/06_your_own_images.ipynb) · [Kaggle で開く](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/06_your_own_images.ipynb) · [Codespaces で開く](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [nbviewer で読む](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/06_your_own_images.ipynb) · [English](../06_your_own_images.ipynb)
#
# このノートブックで行うこと
#
# - フォルダと zip から、2 クラス以上の画像を読み込みます。そのあとで、自分の画像を読み込みます。
# - 3 ブロックのネットワークを、より強いデータ拡張で訓練します。訓練に使わずに取り分けた**評価用画像**で評価し、結果を表にまとめます。
# - 学習曲線からは分からないこと、つまり、モデルがどのクラスを取り違え、画像のどこを使っているかを調べます。

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

# %% [markdown] translates="b36299f80374"
# `load_data` に、このフォルダのパスを渡します。訓練が始まる前にすべてのファイルを読むので、読めない画像があれば、訓練の途中ではなく、今ここでファイル名が分かります。

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
# 渡されたものを使えないとき、`load_data` は、その理由と対処のしかたを、エラーメッセージで示します。たとえば、必要なのはパスであって、Web のアドレスではありません。

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
# ▼▼▼ と ▲▲▲ の間に、フォルダか zip の名前を引用符で囲んで書きます。読み込んだあとに出る文は、クラスの数と名前、そして、いつもいちばん多いクラスを答えるモデルが評価用画像の何パーセントに正しく答えるかを示します。役に立つモデルなら、それを上回らなければなりません。

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
        "{pictures} held-out pictures. A useful model must be right more often.",
        count=len(names),
        names=text(", ").join(names),
        guessing=guessing,
        pictures=len(truth),
    )
)

# %% [markdown] translates="248a3367131d"
# ## より強いデータ拡張
#
# ここからは、勾配中心化の実践ガイド（hands-on guide）の設定を使います。このガイドは、画像を最大 40° 回転し、辺の 0.2 倍まで平行移動（shift）し、最大 0.2 のせん断（shear）と最大 0.2 のズームをかけ、左右に反転します。上下には反転しません。画像の外側に当たるところは、縁の画素のうちいちばん近いものの色になります。せん断と平行移動もアフィン変換なので、[ノートブック 2](02_augmentation.ipynb) と同じように、すべてを **1 回**のリサンプリングで行えます。

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
        title="One picture and eleven random draws",
    ),
    alt="One training picture and eleven versions of it, each turned, shifted, sheared, zoomed and flipped at random.",
)

# %% [markdown] translates="706127899352"
# ## 本当に小さいネットワークなのか
#
# 実践ガイドのネットワークは、ここまで使ってきたネットワークの初めの 3 ブロックのあとに、同じ 512 ユニットの全結合層を置いたものです。出力は、2 クラスなら 1 つ、もっと多ければクラスごとに 1 つで、それに合う損失関数は `loss_for` が選びます。層は少ないのに、パラメータは多くなります。
#
# 表の行は、ここまでのネットワークと実践ガイドのネットワークを画像のサイズごとに並べたもので、列はパラメータの数です。

# %%
from gc_tutorial import build_cnn, build_three_block_cnn

sizes = {
    text("{name}, {size}×{size}", name=name, size=size): build(size, classes=len(names)).count_params()
    for size in dict.fromkeys((settings.image_size, 300))
    for name, build in {text("five blocks"): build_cnn, text("three blocks"): build_three_block_cnn}.items()
}
pd.Series(sizes, name=text("parameters")).map("{:,}".format).to_frame()

# %% [markdown] translates="ce10b3de0626"
# パラメータのほとんどは、全結合層にあります。最後のプーリングから出てくる値の 1 つ 1 つに対して、512 個のユニットのそれぞれが重みをもつからです。ブロックを 1 つ通るたびに、チャネルごとの値の個数はおよそ 4 分の 1 になります。ですから 3 ブロックでは、5 ブロックよりずっと多くの値が残ります。
#
# ## GC あり・なしで訓練する
#
# 実践ガイドでは、8 バッチの訓練と評価を 10 回繰り返します。Keras はその 1 回をエポックと呼びます。しかし、エポックとは訓練用画像を**すべて**ひととおり使うことなので、ここではこれを**ラウンド**と呼びます。`repeat` は、すべての画像を使い終わると、新しい順序でまた始めます。
#
# 比べるのは、GC なし（基準）と GC ありの 2 つの**群**（arm）です。どちらも同じ重みから始まり、同じバッチを使います。

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
_, without = train(own, keras.optimizers.RMSprop(settings.learning_rate))
model, with_gc = train(own, GCRMSprop(settings.learning_rate))
runs = pd.concat([without.assign(arm="none"), with_gc.assign(arm="gradient")]).assign(seed=0)

# %%
from gc_tutorial.plotting import LABELS, MEASURES, learning_curves

ends = {arm: rows["train_loss"].iloc[-1] for arm, rows in runs.groupby("arm")}
title = "One run each: the training loss ends at {none:.2f} without GC and at {gradient:.2f} with GC"
figure = learning_curves(runs, title=text(title, **ends))
figure.axes[0].set_ylim(top=1.1 * runs.loc[runs["epoch"] > 1, "train_loss"].max())  # the first round lies far above
figure.axes[-1].set_xlabel("round of 8 batches")
show(
    figure,
    alt=text(
        "Training loss, held-out loss and held-out accuracy by round, for one run without and one with GC. The training loss "
        "ends at {none:.2f} without GC and at {gradient:.2f} with GC.",
        **ends,
    ),
)
count = len(own.train_images)
print(
    text("A round uses {seen:,} of {count:,} training pictures.", seen=min(8 * settings.batch_size, count), count=count)
)

# %% [markdown] translates="0aa1d2a5a210"
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
from gc_tutorial.study.evidence.wording import changed_by

change = results.loc["gradient"] - results.loc["none"]
Markdown(
    text(
        "After the last round, the training loss with GC is {loss}, and the held-out accuracy is {accuracy}. This is **one pair "
        "of runs**, of {steps} steps each, and {pictures} held-out pictures. Use `gc_tutorial.compare(my_images, seeds=10)`, as "
        "in notebook 5, to find out whether GC makes a difference on your pictures.",
        loss=changed_by(change["train_loss"], joined=True),
        accuracy=changed_by(100 * change["test_accuracy"], text(" percentage points")),
        steps=8 * 10,
        pictures=len(truth),
    )
)

# %% [markdown] translates="3d660ee26d16"
# ## どのクラスを取り違えるか
#
# ここからは、GC を加えて訓練したモデルを見ます。次の表は混同行列（confusion matrix）で、行が正しいクラス、列がモデルの答えです。

# %%
probability = model.predict(pictures, verbose=0)
if len(names) == 2:  # one output, the probability of the second class
    probability = np.hstack([1 - probability, probability])
answer = probability.argmax(axis=1)
codes = range(len(names))
pd.crosstab(truth, answer).reindex(index=codes, columns=codes, fill_value=0).set_axis(
    pd.Index(names, name=text("truth")), axis=0
).set_axis(pd.Index(names, name=text("answer")), axis=1)

# %%
from gc_tutorial.language import sentences

wrong = np.flatnonzero(answer != truth)
confusions = pd.Series([(names[truth[k]], names[answer[k]]) for k in wrong]).value_counts()
counts = np.bincount(answer, minlength=len(names))
most, count, top = counts.max(), len(truth), names[counts.argmax()]
found = [
    text(
        "The model answers *{top}* for **{most} of {count}** held-out pictures. It is right for {right:.0%} of them. The same "
        "answer for every picture would be right for {guessing:.0%}.",
        top=top,
        most=most,
        count=count,
        right=(answer == truth).mean(),
        guessing=guessing,
    )
]
if len(wrong):
    worst = {"truth": confusions.index[0][0], "answer": confusions.index[0][1], "times": confusions.iloc[0]}
    found.append(text("The most frequent mistake is {truth} taken for {answer} ({times} times).", **worst))

# %%
verdict = "The model gives more than one answer. Look at the pictures for which it is wrong."
useless = "**So the model calls all pictures {top}, and is of no use here.** Its training accuracy of {accuracy:.0%} does not show this."
nearly = (
    "**So the model calls nearly all pictures {top}, and is of no use here.** Its training accuracy of {accuracy:.0%} does not "
    "show this."
)
if most > 0.9 * count:
    verdict = useless if most == count else nearly
said = text(verdict, top=top, accuracy=with_gc["train_accuracy"].iloc[-1])
Markdown(sentences(found) + "\n\n" + said)

# %% [markdown] translates="03d39f82eea4"
# ## どの画像をいちばんひどく間違えるか
#
# 次の図は、モデルが正しいクラスに与えた確率がいちばん低い 12 枚の画像です。このような画像は、必ず自分の目で見てください。自分のデータセットでは、間違ったフォルダに入っている画像かもしれません。

# %%
given = probability[np.arange(len(truth)), truth]
least = np.argsort(given)[:12]
titles = [f"{Path(own.test_files[k]).name}\n{names[truth[k]]}: {given[k]:.1%}" for k in least]
show(
    image_grid(pictures[least], titles, title="The 12 pictures whose true class gets the lowest probability"),
    alt="The held-out pictures whose true class gets the lowest probability, each with file name, true class and probability.",
)

# %% [markdown] translates="610d87ce2b1c"
# ## 画像のどこを使っているか
#
# Grad-CAM（[Selvaraju et al. 2017](https://arxiv.org/abs/1610.02391)）は、画像ごとに**ヒートマップ**（heat map）を作ります。まず、最後の畳み込み層のチャネルごとに、そのチャネルの値が大きくなると、答えのスコアがどれだけ上がるかを計算します。そして、その値を重みとして、チャネルを足し合わせます。ヒートマップの明るいところが、答えのスコアを上げるところです。明るいところがなければ、この層はスコアを上げていません。
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
heat = grad_cam(model, pictures[some], answer[some])
first = some[:4]
overlay = 0.5 * pictures[first] / 255 + 0.5 * plt.colormaps["inferno"](heat[:4])[..., :3]
titles = [text("{truth}\nanswer: {answer}", truth=names[truth[k]], answer=names[answer[k]]) for k in first]
show(
    image_grid(
        [*pictures[first], *overlay],
        [*titles, *[text("evidence for it")] * 4],
        title="Bright: what raises the score of the answer",
    ),
    alt="Four held-out pictures with their true class and the answer, and below each a map of the evidence for the answer.",
)

# %% [markdown] translates="9ab609f9d8ed"
# モデルが使っているのは、被写体（subject）でしょうか、それとも背景でしょうか。*Horses or Humans* の評価用画像のように背景が白ければ、測ることができます。ヒートマップの明るさのうち、どれだけが白い画素の上にあるでしょうか。一様な明るさのヒートマップなら、その割合は、画像に白い画素が占める割合と同じになります。次のセルは、最大 32 枚の画像でこれを測ります。

# %%
white = (pictures[some] > 240).all(axis=-1)
on_white = (heat * white).sum() / heat.sum() if heat.sum() else 0.0
if white.mean() < 0.1:
    finding = text("There is too little white in these pictures to tell. Compare the maps with the pictures.")
elif not heat.sum():
    finding = text("The maps are dark everywhere: this layer does not raise the score of the answer in any of them.")
else:
    on_background = text("**Most of the evidence is on the empty background, where there is no subject.**")
    place = on_background if on_white > 0.5 else text("**Most of the evidence is on the subject.**")
    more = text("The share on white is more than in a map that is equally bright everywhere.")
    less = text("The share on white is less than in a map that is equally bright everywhere.")
    finding = sentences([place, more if on_white > white.mean() else less])
said = text(
    "In these {count} pictures, {white:.0%} of the pixels are white, and {on_white:.0%} of the brightness of the maps is on them.",
    count=len(some),
    white=white.mean(),
    on_white=on_white,
)
Markdown(sentences([said, finding]))

# %% [markdown] translates="3de55be688a7"
# 背景を手がかりにするモデルは、訓練正解率が高くても、背景が変われば失敗します。それは、学習曲線からは分かりませんが、混同行列とヒートマップからは分かります。
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
figures = training_figures()["figure"].to_numpy() if known else np.arange(len(labels))  # else each picture is its own
folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)  # the pictures of one figure stay together
kept, held = next(folds.split(labels, labels, figures))
test = dataset_of(source.train_images[held], labels[held])
same_kind = replace(source, train_images=source.train_images[kept], train_labels=labels[kept], test=test)
_, table = train(same_kind, GCRMSprop(settings.learning_rate))
accuracies = [one["test_accuracy"].iloc[-1] for one in (table, with_gc)]
answer = "Answer: the model is right for {accuracy:.0%} of {count} held-out pictures of the same kind."
print(text(answer, accuracy=accuracies[0], count=len(held)))
print(text("It was right for {accuracy:.0%} of the held-out pictures above.", accuracy=accuracies[1]))
if known:
    shown = "The {count} pictures show {figures} horses and humans that are in no training picture."
    print(text(shown, count=len(held), figures=len(set(figures[held]))))
    print(
        text(
            "A random split would put pictures of one horse into both parts, and the accuracy would say little about new horses."
        )
    )
else:
    print(
        text(
            "Careful: this split is random. If your pictures come in series (one person, place or day), split by series."
        )
    )

# %% [markdown] translates="8eee87c01bd3"
# ## このノートブックのまとめ
#
# - `load_data` は、フォルダや zip から 2 クラス以上の画像を読み込み、訓練の前に確かめます。
# - 回転、平行移動、せん断、ズーム、反転を合わせても、リサンプリングは 1 回です。3 ブロックのネットワークを訓練し、GC あり・なしを表で比べました。
# - 学習曲線だけでは、モデルが役に立つかどうかは分かりません。混同行列、モデルがいちばんひどく間違える画像、手がかりのヒートマップからは、もっと多くのことが分かります。
#
# 次は [7. どのオプティマイザでも](07_any_optimizer.ipynb) です。Adam や SGD などのオプティマイザで勾配中心化を使います。
