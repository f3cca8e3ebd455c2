# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] translates="711541c969e3"
# # 6. 自分の画像
#
# **用意されたデータセット（data set）の代わりに、画像のフォルダか、それを zip にしたものを使います。読み込み、データ拡張（augmentation）をかけ、勾配集中化（Gradient Centralization、GC）のあり・なしで訓練し、モデルがどこを見ているのかを調べましょう。**
#
# 所要時間は、プロセッサ 2 コアで 1〜2 分です。GPU は要りません。
#
# [Colab で開く](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/06_your_own_images.ipynb) · [Binder で開く](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/ja/06_your_own_images.ipynb) · [Kaggle で開く](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/06_your_own_images.ipynb) · [Codespaces で開く](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [nbviewer で読む](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/06_your_own_images.ipynb) · [English](../06_your_own_images.ipynb)
#
# このノートブックで行うこと
#
# - フォルダと zip から、2 クラス以上の画像を読み込みます。そのあとで、自分の画像を読み込みます。
# - 3 ブロックのネットワークを、より強いデータ拡張で訓練します。訓練に使わずに取り分けた評価用画像（held-out images）で様子を見ながら進め、結果を表にまとめます。
# - 良く見える訓練の曲線が何を隠しているか、つまりモデルがどのクラスを取り違え、画像のどこを手がかりにしているかを調べます。

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

# %% [markdown] translates="46da6bd15efb"
# ## フォルダ
#
# ディスクに置かれたデータセットは、たいてい `train/<class>/*` と `test/<class>/*` のように、フォルダの中にフォルダがある形をしています。このノートブックがどこでも動くように、まず、読み込んだばかりの画像からそのようなフォルダを書き出します。
#
# そのあとの表は、分割（split）とクラス（class）ごとのファイルの数（count）と、最初（min）と最後（max）のファイル名です。train は訓練用、test は評価用、horses は馬、humans は人です。

# %%
import tempfile
from pathlib import Path

from PIL import Image

temporary = tempfile.TemporaryDirectory()  # it goes when the notebook ends
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

# %% [markdown] translates="b3362c387ebe"
# `load_data` には、このフォルダのパスを渡します。訓練の前にすべてのファイルを調べるので、読めない画像があれば、3 番目のエポック（epoch）の途中ではなく、今ここで名前が分かります。

# %%
from_folder = load_data(folder, settings.image_size)

# %% [markdown] translates="d6f9d5231f25"
# フォルダを zip にしたものも使えます。展開せずに読むので、知らない人から受け取った zip でも、ファイルを書き込むことはできません。
#
# 出力の same pixels は、「画素は同じか」に True（はい）か False（いいえ）で答えたものです。

# %%
import shutil

import numpy as np

from_zip = load_data(shutil.make_archive(folder, "zip", folder), settings.image_size)
print("same pixels:", np.array_equal(from_folder.train_images, from_zip.train_images))

# %% [markdown] translates="c2506fc7b890"
# 読めないものがあれば、理由を 1 つの文で述べます。このノートブックは、勾配集中化の実践ガイド（the hands-on guide）の設定を使います。そのガイドは最初の手順で止まってしまいます。フォルダを受け取る関数に、Web のアドレスを渡しているからです。
#
# 出力の文は、「これは Web のアドレスです。先にダウンロードして、得られたパスを渡してください」という意味で、zip ならその両方を行う書き方も示しています。

# %%
try:
    load_data("https://example.com/horse-or-human.zip")
except ValueError as error:
    print(error)

# %% [markdown] translates="365cd6f6c235"
# ## ここに自分のフォルダを
#
# **書き換えるのは、このすぐ下のセルです。** クラスは 2 つ以上、形式は PNG、JPEG、WebP、GIF、BMP のどれか、サイズは問いません。`train` と `test` がなく、`<class>/*` だけのときは、各クラスの 5 分の 1 をランダムに評価用に取り分けます。読めないファイルがあるとそこで止まりますが、`on_error="skip"` を加えれば止まりません。これより下はすべて、ここに書いたフォルダの画像で動きます。
#
# ▼▼▼ と ▲▲▲ の間に、フォルダか zip の名前を引用符で囲んで書きます。読み込んだあとに出る文は、クラスの数と名前、そして、いつもいちばん多いクラスを答えるモデルが評価用画像の何 % に当たるかを述べています。役に立つモデルは、それより多く当たらなければなりません。

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
    f"{len(names)} classes: {', '.join(names)}. A model that always answers with the most frequent class is right on **{guessing:.0%}** "
    f"of the {len(truth)} held-out pictures. A useful model must be right more often."
)

# %% [markdown] translates="9587d193d5cf"
# ## より強いデータ拡張
#
# 実践ガイドでは、最大 40° の回転（rotation）、最大で辺の 0.2 倍の平行移動（shift）、最大 0.2 のせん断（shear）、最大 0.2 のズーム（zoom）、そして左右の反転（flip）を行います。上下の反転は行いません。縁の外から入ってくる部分には、いちばん外側の画素を引き延ばします。せん断と平行移動もアフィン変換（affine map）なので、ノートブック 2 と同じように、全体を **1 回**の再標本化（resampling）で行えます。
#
# 図の見出しは「1 枚の画像と、それをランダムに変形したもの」という意味です。original は元の画像、draw は変形した画像です。

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
        ["original", *[f"draw {n}" for n in range(1, 12)]],
        title="One picture, eleven random draws",
    ),
    alt="One training picture and eleven versions of it, each turned, shifted, slanted, zoomed and mirrored at random.",
)

# %% [markdown] translates="3ed53ece5773"
# ## 本当に小さいネットワークなのか
#
# 実践ガイドのネットワークは、ここまで使ってきたネットワークの初めの 3 ブロック（block）のあとに、同じ 512 ユニットの全結合層（dense layer）を置いたものです。出力は、2 クラスなら 1 つ、もっと多ければクラスごとに 1 つで、損失関数（loss）もそれに合わせます。層は少ないのに、パラメータ（parameter）は多くなります。
#
# 表の行はネットワーク（five blocks がここまでのもの、three blocks が実践ガイドのもの）と画像のサイズで、列はパラメータの数です。

# %%
from gc_tutorial import build_cnn, build_three_block_cnn

sizes = {
    f"{name}, {size}×{size}": build(size, classes=len(names)).count_params()
    for size in dict.fromkeys((settings.image_size, 300))
    for name, build in {"five blocks": build_cnn, "three blocks": build_three_block_cnn}.items()
}
pd.Series(sizes, name="parameters").map("{:,}".format).to_frame()

# %% [markdown] translates="e173121b734c"
# ブロックを 1 つ通るたびに、画像の縦横は半分になり、チャネル（channel）ごとの値の個数はおよそ 4 分の 1 になります。5 ブロックではなく 3 ブロックなので、残る値はずっと多く、そのどれからも、512 個のユニットのそれぞれに重み（weight）がつながります。
#
# ## GC のあり・なしで訓練する
#
# 実践ガイドは、8 バッチ（batch）訓練しては評価することを 10 回繰り返します。Keras はその 1 回をエポックと呼びますが、これはエポックではありません。エポックとは、訓練用画像を**すべて**ひととおり使うことです。ここではこれを「ラウンド」（round）と呼びます。2 つの群（arm、GC なしと GC あり）は、同じ初期の重みから始まり、同じバッチを受け取ります。`repeat` は、すべての画像を使い終わると、新しい順序で続けます。
#
# 図の見出しは「このフォルダで 1 回ずつ訓練した結果」という意味です。左から訓練損失（training loss）、評価損失（held-out loss）、評価正解率（held-out accuracy）で、横軸はラウンドです。凡例は、no GC が GC なし、GC on the gradient が勾配への GC です。図の下の行は、1 ラウンドで訓練用画像の何枚を使うかを示しています。

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

figure = learning_curves(runs, ("train_loss", "test_loss", "test_accuracy"), title="One run each on this folder")
for axis in figure.axes:
    axis.set_xlabel("round of 8 batches")
show(
    figure, alt="Training loss, held-out loss and held-out accuracy by round, for one run without and one run with GC."
)
seen = min(8 * settings.batch_size, len(own.train_images))
print(f"A round shows {seen:,} of {len(own.train_images):,} training pictures.")

# %% [markdown] translates="fce5a6a8e41d"
# ### 結果
#
# 指標の値は最後のラウンドのものです。秒数は全ラウンドの合計で、評価にかかった時間は含みませんが、Keras がプログラムを組み立てる時間は含みます。
#
# 表の列は左から、訓練の秒数、訓練正解率（training accuracy）、訓練損失、評価正解率、評価損失です。表の下の文は、GC なしと比べた GC ありの差を、訓練損失と評価正解率（パーセントポイント、percentage point）について述べています。これは一組の訓練にすぎません。このような差に意味があるかどうかは、比較のノートブックのように compare を使えば分かる、と続きます。

# %%
results = runs.groupby("arm", sort=False).agg(
    seconds=("seconds", "sum"),
    train_accuracy=("train_accuracy", "last"),
    train_loss=("train_loss", "last"),
    test_accuracy=("test_accuracy", "last"),
    test_loss=("test_loss", "last"),
)
columns = {**MEASURES, "seconds": "seconds of training"}
results.rename(index=LABELS, columns=columns).round(3)

# %%
change = results.loc["gradient"] - results.loc["none"]
Markdown(
    f"After the last round, GC differs from no GC by {change['train_loss']:+.3f} in the training loss and by "
    f"{100 * change['test_accuracy']:+.1f} percentage points in the held-out accuracy. This is **one pair of runs**, of "
    f"{8 * 10} steps each, and {len(truth)} held-out pictures. Use `gc_tutorial.compare(my_images, seeds=10)`, as in notebook 5, "
    "to find out whether such a difference means anything."
)

# %% [markdown] translates="164c0d71ea09"
# ## どのクラスを取り違えるか
#
# ここからは、GC を加えて訓練したモデルを見ます。次の表は混同行列（confusion matrix）で、行が正しいクラス（truth）、列がモデルの答え（answer）です。
#
# 表の下の文は、モデルがいちばん多く答えたクラスとその枚数、正解した割合と、いつも同じ答えのときの割合、間違えた枚数、最も多い取り違え（Most often）を述べています。taken for の前が正しいクラス、後がモデルの答えです。そのあとの太字の文は、「どの画像にもほとんど同じ答えを出している」という意味です。そのときは、訓練正解率が高くても、これらの評価用画像では役に立ちません。

# %%
probability = model.predict(pictures, verbose=0)
if len(names) == 2:  # one output, the probability of the second class
    probability = np.hstack([1 - probability, probability])
answer = probability.argmax(axis=1)
codes = range(len(names))
pd.crosstab(truth, answer).reindex(index=codes, columns=codes, fill_value=0).set_axis(
    pd.Index(names, name="truth"), axis=0
).set_axis(pd.Index(names, name="answer"), axis=1)

# %%
wrong = np.flatnonzero(answer != truth)
confusions = pd.Series([f"{names[truth[k]]} taken for {names[answer[k]]}" for k in wrong]).value_counts()
worst = f" Most often: {confusions.index[0]} ({confusions.iloc[0]} times)." if len(wrong) else ""
counts = np.bincount(answer, minlength=len(names))
top, right = counts.argmax(), 1 - len(wrong) / len(truth)
one_answer = counts[top] > 0.9 * len(truth)
Markdown(
    f"The model answers *{names[top]}* for **{counts[top]} of {len(truth)}** held-out pictures. It is right on {right:.0%} of them "
    f"(always the same answer: {guessing:.0%}), and wrong on {len(wrong)}.{worst}\n\n"
    + (
        f"**So it gives nearly the same answer for every picture**, although its training accuracy is "
        f"{with_gc['train_accuracy'].iloc[-1]:.0%}. On these held-out pictures it is of no use, and the training curve did not show it."
        if one_answer
        else "It gives more than one answer. Still look at which pictures it gets wrong."
    )
)

# %% [markdown] translates="cc4ef7713636"
# ## どの画像をいちばんひどく間違えるか
#
# モデルが正しいクラスに与えた確率が、いちばん低い画像です。必ず自分の目で見てください。自分のデータセットでは、最初に並ぶのが、間違ったフォルダに入っている画像であることがよくあります。
#
# 図の見出しは「ファイル、正しいクラス、モデルがそのクラスに与えた確率」という意味です。

# %%
given = probability[np.arange(len(truth)), truth]
least = np.argsort(given)[:12]
titles = [f"{Path(own.test_files[k]).name}\n{names[truth[k]]}: {given[k]:.1%}" for k in least]
show(
    image_grid(pictures[least], titles, title="File, true class, and the probability the model gives it"),
    alt="The held-out pictures to whose true class the model gives the least probability, with file name and class.",
)

# %% [markdown] translates="54027e618e07"
# ## どこを見ているか
#
# Grad-CAM（[Selvaraju et al. 2017](https://arxiv.org/abs/1610.02391)）は、最後の畳み込み層（convolutional layer）のチャネルごとに、そのチャネルがもっと強ければ答えのスコア（score）がどれだけ上がるかを計算し、その値をかけてチャネルを足し合わせます。明るいところが、答えのスコアを上げるところです。明るいところがない画像では、この層はスコアを上げていません。
#
# 図の上の段は、評価用画像とその正しいクラス、モデルの答え（answer）です。下の段の evidence for it は「その答えを支持するところ」という意味です。

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

some = np.random.default_rng(0).permutation(len(truth))[:6]
heat = grad_cam(model, pictures[some], answer[some])
overlay = 0.5 * pictures[some] / 255 + 0.5 * plt.colormaps["inferno"](heat)[..., :3]
titles = [f"{names[truth[k]]}\nanswer: {names[answer[k]]}" for k in some]
show(
    image_grid([*pictures[some], *overlay], [*titles, *["evidence for it"] * len(some)], columns=len(some)),
    alt="Held-out pictures with their true class and the answer, and below each a map of the evidence for the answer.",
)

# %% [markdown] translates="e636481772bd"
# モデルが手がかりにしているのは、被写体（subject）でしょうか、それとも背景でしょうか。*Horses or Humans* の評価用画像のように背景が白ければ、測ることができます。地図の明るさのうち、どれだけが白い画素の上にあるでしょうか。
#
# 次の文は、これらの画像の何 % が白い画素で、地図の明るさの何 % がその上にあるかを述べています。Most of the evidence is the empty background は「手がかりのほとんどは何もない背景である」という意味です。

# %%
white = (pictures[some] > 240).all(axis=-1)
on_white = (heat * white).sum() / heat.sum() if heat.sum() else 0.0
if white.mean() < 0.1:
    finding = "There is too little white in these pictures to tell. Compare the maps with the pictures above."
elif not heat.sum():
    finding = "The maps are dark everywhere: this layer does not raise the score of the answer in any of them."
elif on_white > 0.5:
    finding = "**Most of the evidence is the empty background**, where there is neither a horse nor a human."
else:
    finding = "Most of the evidence lies on the subject."
Markdown(
    f"In these {len(some)} pictures {white.mean():.0%} of the pixels are white, and {on_white:.0%} of the brightness of the maps lies on "
    f"them. {finding}"
)

# %% [markdown] translates="be1fad7da337"
# 背景を手がかりにするモデルは、訓練正解率が高くても、背景が変われば失敗します。訓練の曲線からは、それは分かりません。混同行列と地図からは分かります。
#
# ## 練習問題
#
# *Horses or Humans* の評価用画像の背景は白く、訓練用画像（training images）の背景はそうではありません（ノートブック 1）。学習に使ったのと**同じ種類**の評価用画像なら、モデルの成績はどのくらいでしょうか。（中に `train` と `test` がないフォルダは、ランダムに分割されます。）そして、その値を信用できるかどうかを考えてください。
#
# <details><summary>解答例</summary>
#
# ```python
# same_kind = load_data(folder / "train", settings.image_size)
# _, table = train(same_kind, GCRMSprop(settings.learning_rate))
# print(with_gc["test_accuracy"].iloc[-1], table["test_accuracy"].iloc[-1])
# ```
#
# 信用できません。描かれた姿のそれぞれが、いろいろな向きから何度も写っていて、ランダムに分割すると、同じ姿が分割の両側に入ります。そのため、値は良すぎるものになります。公平な分割では、1 つの姿の画像をすべて片側に置きます。`gc_tutorial/study/training_figures.csv` には、訓練用画像それぞれがどの姿かが書いてあり、実行中の実験はそれに従って分割しています。自分のデータでは、ひと続きの画像に共通するもの（人、場所、日）を考え、それに従って分割してください。
#
# </details>

# %% [markdown] translates="a106432cb951"
# ## この章のまとめ
#
# - フォルダや zip から、2 クラス以上の画像を、訓練の前に調べて読み込みました。
# - 回転、平行移動、せん断、ズーム、反転を 1 回の再標本化で行い、3 ブロックのネットワークを訓練し、GC のあり・なしの結果を表にしました。
# - 訓練の曲線だけでは、モデルが役に立つかどうかは分かりません。混同行列、モデルがいちばんひどく間違える画像、手がかりの地図からは、もっと多くのことが分かります。
#
# 次は [7. どのオプティマイザでも](07_any_optimizer.ipynb) です。Adam や SGD などのオプティマイザで勾配集中化を使います。
