# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] translates="8f2e91fb5385"
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
# - より小さなネットワークを、より強いデータ拡張で訓練します。訓練に使わずに取り分けた評価用画像（held-out images）で様子を見ながら進め、結果を表にまとめます。
# - モデルがどのクラスを取り違えるか、どの画像をいちばんひどく間違えるか、画像の何を手がかりにしているかを見ます。

# %% tags=["hide-input"]
# @title Setup
from importlib.util import find_spec

package = "gc-tutorial[tutorial] @ git+https://github.com/your_name_here/gradient-centralization-tutorial"
if not find_spec("gc_tutorial"):  # as in Colab
    get_ipython().run_line_magic("pip", f"install -qqq --no-input '{package}'")
if not find_spec("gc_tutorial"):
    raise SystemExit(f"{package} was not installed: it needs a network, git, Python 3.10 or newer and the right address.")
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

# %% [markdown] translates="d73b418c7e67"
# フォルダを zip にしたものでもかまいません。展開せずに、その場で読みます。知らない人から受け取った zip でも、どこかに何かを書き込むことはできません。
#
# 出力の same pixels は、「画素は同じか」に True（はい）か False（いいえ）で答えたものです。

# %%
import shutil

import numpy as np

from_zip = load_data(shutil.make_archive(folder, "zip", folder), settings.image_size)
print("same pixels:", np.array_equal(from_folder.train_images, from_zip.train_images))

# %% [markdown] translates="0cd4f642aaed"
# 扱えないものは、理由を文で述べて断ります。このノートブックが設定を借りている、勾配集中化の実践ガイド（the hands-on guide）は、最初の手順で止まってしまいます。フォルダを受け取る関数に、Web のアドレスを渡しているからです。
#
# 出力の文は、「これは Web のアドレスです。先にダウンロードして、得られたパスを渡してください」という意味で、zip ならその両方を行う書き方も示しています。

# %%
try:
    load_data("https://example.com/horse-or-human.zip")
except ValueError as error:
    print(error)

# %% [markdown] translates="a41080eed6ff"
# ## ここに自分のフォルダを
#
# **書き換えるのは、このすぐ下のセルです。** クラスは 2 つ以上、形式は PNG、JPEG、WebP、GIF、BMP のどれか、サイズは問いません。`train` と `test` がなく、`<class>/*` だけのときは、各クラスの 5 分の 1 をランダムに評価用に取り分けます。読めないファイルがあるとそこで止まりますが、`on_error="skip"` を加えれば止まりません。これより下はすべて、ここに書かれた画像で動きます。
#
# ▼▼▼ と ▲▲▲ の間に、フォルダか zip の名前を引用符で囲んで書きます。読み込んだあとに出る文は、クラスの数と名前、そして、いつもいちばん多いクラスを答えたときに評価用画像の何 % が当たるかを述べています。モデルが上回らなければならないのは、その値です。

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
    f"{len(names)} classes: {', '.join(names)}. Always to say the most frequent one would be right on **{guessing:.0%}** of the "
    f"{len(truth)} held-out pictures: that is what a model has to beat."
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

# %% [markdown] translates="5aab3d2effa6"
# ブロックを 1 つ通るたびに、画像の縦横は半分になり、チャネル（channel）ごとの値の個数はおよそ 4 分の 1 になります。5 ブロックではなく 3 ブロックなので、残る値はずっと多く、そのどれからも、512 個のユニットのそれぞれに重み（weight）がつながります。
#
# ## GC のあり・なしで訓練する
#
# 1 エポックは 8 ステップ（step）で、10 エポック訓練し、エポックごとに評価用画像で評価します。2 つの群（arm）は、同じ初期の重みから始まり、同じバッチ（batch）を受け取ります。`repeat` は、すべての画像を使い終わると、新しい順序で続けます。
#
# 図の見出しは「このフォルダで 1 回ずつ訓練した結果」という意味です。左から訓練損失（training loss）、評価損失（held-out loss）、評価正解率（held-out accuracy）で、横軸はエポックです。凡例は、no GC が GC なし、GC on the gradient が勾配への GC です。

# %%
import keras
from gc_tutorial import GCRMSprop, TimeHistory, loss_for


def train(images, optimizer):
    """Ten epochs of eight steps from seed 0; returns the model and a table of its epochs."""
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

show(
    learning_curves(runs, ("train_loss", "test_loss", "test_accuracy"), title="One run each on this folder"),
    alt="Training loss, held-out loss and held-out accuracy by epoch, for one run without and one run with GC.",
)

# %% [markdown] translates="d021a8298625"
# ### 結果
#
# 指標の値は最後のエポックのものです。秒数は全エポックの合計で、評価にかかった時間は含みませんが、Keras がプログラムを組み立てる時間は含みます。
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
    f"After the last epoch, GC differs from no GC by {change['train_loss']:+.3f} in the training loss and by "
    f"{100 * change['test_accuracy']:+.1f} percentage points in the held-out accuracy. This is **one pair of runs**, of "
    f"{8 * 10} steps each, and {len(truth)} held-out pictures; whether such a difference means anything, "
    "`gc_tutorial.compare(my_images, seeds=10)` would tell, as in notebook 5."
)

# %% [markdown] translates="164c0d71ea09"
# ## どのクラスを取り違えるか
#
# ここからは、GC を加えて訓練したモデルを見ます。次の表は混同行列（confusion matrix）で、行が正しいクラス（truth）、列がモデルの答え（answer）です。
#
# 表の下の文は、評価用画像のうち何枚を間違えたか（Wrong on）と、最も多い取り違え（Most often）を述べています。taken for の前が正しいクラス、後がモデルの答えです。

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
Markdown(f"Wrong on **{len(wrong)}** of {len(truth)} held-out pictures ({len(wrong) / len(truth):.0%}).{worst}")

# %% [markdown] translates="8c338d139924"
# ## どの画像をいちばんひどく間違えるか
#
# 正しいクラスに与えた確率がいちばん低い画像です。必ず自分の目で見てください。自分の画像では、最初に並ぶのが、間違ったフォルダに入っている画像であることがよくあります。
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

# %% [markdown] translates="d450d6148418"
# ## どこを見ているか
#
# Grad-CAM（[Selvaraju et al. 2017](https://arxiv.org/abs/1610.02391)）は、最後の畳み込み層（convolutional layer）のチャネルごとに、そのチャネルがもっと強ければ答えのスコア（score）がどれだけ上がるかを調べ、その値をかけてチャネルを足し合わせます。明るいところが、その答えを支持するところです。明るいところがない画像では、この層は答えのスコアを上げていません。
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

# %% [markdown] translates="4bf216bbb91c"
# モデルが手がかりにしているのは被写体でしょうか、それとも地面や空、画像の端でしょうか。背景を手がかりにするモデルは、ここでの数値がどんなに良くても、背景が変われば失敗します。
#
# ## 練習問題
#
# *Horses or Humans* の評価用画像の背景は白く、訓練用画像（training images）の背景はそうではありません（ノートブック 1）。学習に使ったのと**同じ種類**の評価用画像なら、モデルの成績はどのくらいでしょうか。（中に `train` と `test` がないフォルダは、ランダムに分割されます。）
#
# <details><summary>解答例</summary>
#
# ```python
# same_kind = load_data(folder / "train", settings.image_size)
# _, table = train(same_kind, GCRMSprop(settings.learning_rate))
# print(with_gc["test_accuracy"].iloc[-1], table["test_accuracy"].iloc[-1])
# ```
#
# 2 つの値の違いは、背景だけによるものではありません。あとの値のほうは、学習に使う画像も、評価に使う画像も少なくなっているからです。しかしここでの問い、「同じ種類の画像での成績はどのくらいか」は易しいほうの問いで、報告されている数値のほとんどは、こちらに答えています。
#
# </details>

# %% [markdown] translates="c339a0263348"
# ## この章のまとめ
#
# - フォルダや zip から、2 クラス以上の画像を、訓練の前に調べて読み込みました。
# - 回転、平行移動、せん断、ズーム、反転を 1 回の再標本化で行い、3 ブロックのネットワークを訓練し、GC のあり・なしの結果を表にしました。
# - 混同行列、モデルがいちばんひどく間違える画像、モデルが見ているところを調べました。1 つの数値だけを見ていてはいけない、3 つの理由です。
#
# 次は [7. どのオプティマイザでも](07_any_optimizer.ipynb) です。Adam や SGD などで勾配集中化を使います。
