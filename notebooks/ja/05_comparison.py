# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] translates="ee18c5ade83e"
# # 5. 比較
#
# **勾配集中化（Gradient Centralization、GC）を使った訓練と使わない訓練を比べます。多数のシード（seed）で訓練し、どちらにも同じ画素を見せ、訓練に使わずに取り分けた評価用画像（held-out images）で測り、区間（interval）を付けます。どんな判定（verdict）が出ても、そのまま示します。**
#
# `standard` プロファイルでは、プロセッサ 2 コアで 2〜4 分かかります。GPU は要りません。
#
# [Colab で開く](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/05_comparison.ipynb) · [Binder で開く](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/ja/05_comparison.ipynb) · [Kaggle で開く](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/05_comparison.ipynb) · [Codespaces で開く](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [nbviewer で読む](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/05_comparison.ipynb) · [English](../05_comparison.ipynb)
#
# このノートブックで行うこと
#
# - 小さな対応のある比較（paired comparison）を、自分の環境で実行します。
# - 本物の画像で行った大きな比較の結果を、シードについての区間と、数値から書かれた判定とともに読みます。
# - 公開されている改善（gain）がどのように生じたか、論文の不変量（invariant）が RMSprop ではどうなるかを見ます。

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

# %% [markdown] translates="6f3d23edc9c9"
# ## 公平な比較とは
#
# - **対応があること（paired）。** 同じシードの中では、どの**群**（arm、比べる方法の 1 つ。GC なし、勾配（gradient）への GC、更新量（update）への GC）も、同じ初期の重み（weight）から始まり、同じデータ拡張（augmentation）をかけた同じバッチ（batch）を受け取ります。すべて、ビット単位で同じです。
# - **毎回新しく始めること。** 1 回の訓練（run）ごとに、モデルもオプティマイザ（optimizer）も新しく作ります。
# - **評価用画像で測ること。** 損失（loss）と正解率（accuracy）は、どの訓練にも使わない評価用画像で測ります。
# - **繰り返すこと。** いくつものシードで訓練し、差に区間を付けます。
#
# 3 番目の群は、RMSprop のように勾配の成分ごとに縮尺を変えるオプティマイザのために、論文の著者自身が勧めている方法です。勾配ではなく、オプティマイザが勾配から作る**更新量**を中心化（centralize）します。
#
# `compare` は、このすべてを行います。ここでは、小さな比較を自分の環境で実行してみましょう。
#
# 表のあとの図は、左から訓練損失（training loss）、評価損失（held-out loss）、評価正解率（held-out accuracy）で、横軸はエポック（epoch）です。凡例は、no GC が GC なし、GC on the gradient が勾配への GC、GC on the update が更新量への GC です。見出しは「この環境での結果」という意味で、シードとエポックの数、そして帯（bands）が最低から最高までを表すことを述べています。

# %%
from gc_tutorial import compare

live = compare(
    data,
    optimizer="rmsprop",
    learning_rate=settings.learning_rate,
    arms=("none", "gradient", "update"),
    seeds=settings.seeds,
    image_size=settings.image_size,
    batch_size=settings.batch_size,
    epochs=settings.epochs,
    progress=False,
)
live[["arm", "seed", "epoch", "train_loss", "test_loss", "test_accuracy", "seconds"]].tail(3).round(3)

# %%
from gc_tutorial.plotting import learning_curves, show

show(
    learning_curves(
        live, title=f"On this machine: {settings.seeds} seeds, {settings.epochs} epochs (bands: lowest to highest)"
    ),
    alt="Training loss, held-out loss and held-out accuracy by epoch for the three arms, from the small live comparison.",
)

# %% [markdown] translates="c6bbf66c15bb"
# 判定を下すには、シードもエポックもまったく足りません。それには、もっと長い実験（study）が必要です。そのような実験の結果が、パッケージに付属しています。
#
# ## 実験
#
# 同じ関数を、本物の *Horses or Humans* の画像に、コマンドラインから使いました。終わった訓練は 1 回ごとに保存されるので、途中で止めて、あとで再開できます。結果の表は、それを作ったコマンドとともに `gc_tutorial/study/results/` にあります。
#
# 最初に出力される行は、データセット（data set）、画像のサイズ、バッチの大きさ、オプティマイザと学習率（learning rate）、エポックの数、群の数、シードの数、発散した（diverged）訓練の数を述べています。次の図の見出しは、RMSprop に勾配への GC を加えたとき、最後の訓練損失（final training loss）と最後の評価正解率（final held-out accuracy）がどうなったかを述べています。lower は「低くなった」、higher は「高くなった」、no difference shown は「差は示されなかった」という意味です。

# %%
from IPython.display import Markdown
from gc_tutorial.study.analysis import finding, load_study, paired_differences

study = load_study("rmsprop")
seeds = study["seed"].nunique()


def describe(study):
    """The settings of a study and its size, from its own table."""
    setting, runs = study.iloc[0], study.groupby(["arm", "seed"])["status"].first()
    return Markdown(
        f"{setting['data']}, {setting['image_size']}×{setting['image_size']} pixels, batches of {setting['batch_size']}, "
        f"{setting['optimizer']} at a learning rate of {setting['learning_rate']:g}, {setting['epochs']} epochs; "
        f"{study['arm'].nunique()} arms, **{study['seed'].nunique()} seeds**. Runs that diverged: {(runs == 'diverged').sum()}."
    )


describe(study)

# %%
differences = paired_differences(study)
show(
    learning_curves(study, title=f"RMSprop with GC on the gradient, {seeds} seeds: {finding(differences)}"),
    alt="Training loss, held-out loss and held-out accuracy by epoch for the three arms of the study, with bands over seeds.",
)

# %% [markdown] translates="2e41f99b1afd"
# 線はシードについての平均、帯は最低のシードから最高のシードまでの範囲です。結果はシードによって大きく違います。だからこそ、訓練に対応をつけてあるのです。同じシードの中でなら、群どうしの引き算ができます。次の図は差の平均で、それぞれに、シードについての 95% 信頼区間（confidence interval、無限に多くのシードで訓練したとすれば平均がありそうな範囲）が 2 種類付いています。太い線はブートストラップ（bootstrap）、細い線はスチューデントの t（Student's t）による区間です。シードが少ないとブートストラップの区間は狭すぎるので、ここでは、どちらの区間もゼロを含まないときにだけ、差が示されたと数えます。
#
# 図の見出しは「GC なしとの、対応のある差とその区間」という意味です。横軸は左から、最後の訓練損失、最後の評価正解率、評価損失の曲線の下の面積（area under the held-out loss、損失 × エポック）、訓練損失の目標（training-loss goal）に達するまでのエポックの数、1 エポックあたりの秒数（seconds per epoch）の差です。図の下の表は同じ結果を数値で示していて、baseline は GC なしの平均、difference は差、low と high はブートストラップの区間、t_low と t_high は t の区間の両端です。

# %%
from gc_tutorial import plotting
from gc_tutorial.study.analysis import OUTCOMES

show(
    plotting.interval_plot(differences, title=f"Difference from no GC, paired, {seeds} seeds, 95% intervals"),
    alt="For each outcome, the mean difference of both GC arms from no GC with its interval, against a line at zero.",
)

# %%
table = differences.assign(outcome=differences["outcome"].map(OUTCOMES), arm=differences["arm"].map(plotting.LABELS))
table.set_index(["arm", "outcome"]).round(3)

# %% [markdown] translates="c124f758b3b0"
# ### 判定
#
# 判定は手で書いたものではなく、次のセルが表から書いたものです。どちらかの区間がゼロを含むときは、「差は示されなかった」（no difference shown）と報告します。
#
# 最初に出力される行は、訓練損失の目標、つまり GC なしの訓練の最後の値の平均を示しています。続く各行は、図の横軸と同じ項目について、GC なしに比べて低い（lower by）か、高い（higher by）か、差は示されなかったかを述べています。かっこの中は、ブートストラップの区間（by bootstrap）、t の区間（by t）、シードの数（seeds）です。差が示されなかったときは、その前に差の値も出ます。

# %%
from gc_tutorial.study.analysis import final_training_loss, verdict


def verdicts(differences):
    """One line for each arm and outcome."""
    lines = []
    for arm, rows in differences.groupby("arm", sort=False):
        lines.append(f"\n**{plotting.LABELS[arm]}**, against no GC:\n")
        lines += [f"- {OUTCOMES[row['outcome']]}: {verdict(row)}" for _, row in rows.iterrows()]
    return Markdown("\n".join(lines))


goal = final_training_loss(study)
print(f"The training-loss goal is {goal:.3f}, where runs without GC end on average.")
verdicts(differences)

# %% [markdown] translates="1875cb647ce7"
# 差は 10 個あります。仮に違いがまったくなく、10 個が互いに独立だとしても、このような表の 1 - 0.95¹⁰ = 40% では、少なくとも 1 つの区間がゼロから外れます。ゼロからかろうじて外れた区間が 1 つあっても、それは手がかりであって、結論ではありません。訓練損失の目標に達しなかった訓練は、行ったエポックの数より 1 つ多くかかったものとして数えます。1 エポックあたりの秒数は、ほかの仕事もしているマシンで測りました。そこに差があってもほとんど何も言えません。GC にかかる時間は、`make benchmark` のほうがよく測れます。
#
# ## SGD での同じ比較
#
# モーメンタム（momentum）が 0.9 の確率的勾配降下法（stochastic gradient descent、SGD）です。論文の理論は、この方法のために作られました。

# %%
sgd = load_study("sgd")
describe(sgd)

# %%
sgd_differences = paired_differences(sgd)
show(
    learning_curves(
        sgd, title=f"SGD with GC on the gradient, {sgd['seed'].nunique()} seeds: {finding(sgd_differences)}"
    ),
    alt="Training loss, held-out loss and held-out accuracy by epoch for the three arms under SGD with momentum.",
)
verdicts(sgd_differences)

# %% [markdown] translates="444da4e2c144"
# SGD では勾配が**そのまま**更新の方向になるので、どちらを中心化しても、丸め誤差（rounding）を除けば同じことです。訓練は丸め誤差を増幅するので、1 回ごとの訓練は互いに離れていきますが、その平均は離れないはずです。これは、実験そのものの検査になります。
#
# 次の出力は、更新量への GC の最後の訓練損失を、勾配への GC と比べた判定です。

# %%
update_or_gradient = (
    paired_differences(sgd, baseline="gradient").query("arm == 'update' and outcome == 'train_loss'").iloc[0]
)
Markdown(f"Final training loss of GC on the update, against GC on the gradient: {verdict(update_or_gradient)}.")

# %% [markdown] translates="ebb54a992658"
# ## 公開例の設定
#
# 公開されている例の設定（the published recipe）での結果も見てみましょう。

# %%
recipe = load_study("published_recipe")
describe(recipe)

# %%
recipe_differences = paired_differences(recipe)
recipe_title = f"Published recipe with GC, {recipe['seed'].nunique()} seeds: {finding(recipe_differences)}"
show(
    learning_curves(recipe, title=recipe_title),
    alt="Training loss, held-out loss and held-out accuracy by epoch for the three arms at the published recipe.",
)
verdicts(recipe_differences)

# %% [markdown] translates="e4519c9ab096"
# シードがこれほど少ないと、スチューデントの t の区間は広くなります。ここで差が示されるとすれば、よほど大きな効果だけです。
#
# ## 公開されている改善はどう生じたか
#
# [公開されている例](https://keras.io/examples/vision/gradient_centralization/)は、結果を次のようにまとめています。損失は GC なしで 0.53、GC ありで 0.40、正解率は 0.76 と 0.82、時間は 112 秒と 98 秒です。（途中で表示される経過の行は、下の図に描いたもので、0.62 と 0.46 で終わっています。）どれも訓練用画像（training images）での値で、しかもその GC は一度も実行されません（ノートブック 4）。ですから、このうちの 1 つも、秒数でさえも、GC によるものではありえません。ところがこの例は、2 回の訓練の間に `compile` をもう一度呼ぶだけで、`compile` は**重みをそのまま残します**。
#
# 次の出力は、「`compile` が重みを変えたか」に True（はい）か False（いいえ）で答えたものです。

# %%
import keras
from gc_tutorial import build_cnn

model = build_cnn(settings.image_size)
before = model.get_weights()
model.compile(keras.optimizers.RMSprop(1e-4), "binary_crossentropy")
print("compile changed a weight:", any((a != b).any() for a, b in zip(before, model.get_weights())))

# %% [markdown] translates="263d13e950d9"
# つまり 2 回目の訓練は、1 回目の訓練が終わったところから続くのです。
#
# 次は、その実験を GC をまったく使わずに行ったものです。素の RMSprop（plain RMSprop）で 10 エポック、もう一度 `compile`、そして素の RMSprop でもう 10 エポック訓練します。公開されている例が表示した訓練損失を、その隣に描きます。
#
# 図の見出しは「GC がまったくなくても、訓練を続ければ『改善』が現れる」という意味です。点線は、`compile` をもう一度呼んだところです。凡例は、no GC, compiled again が GC なしで `compile` をもう一度呼んだ訓練、published が公開されている例（「GC なし」のあとに「GC あり」）です。図の下の文は、最初の 10 エポックの終わりから次の 10 エポックの終わりまでに、訓練損失、訓練正解率（training accuracy）、そして公開されている例では見ていない評価正解率が、いくつからいくつになったかを述べています。最後の no gain at all は「改善はまったくない」、a gain as well は「こちらにも改善がある」という意味です。

# %%
import matplotlib.pyplot as plt

control, progress = load_study("control"), load_study("published_progress")
half = progress["epoch"].max() // 2
figure, axis = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
plotting.draw_control(axis, control, progress)
axis.set_title("Training on without any GC gives a “gain”, too")
show(
    figure,
    alt="Two curves of the training loss over twenty epochs, one published and one ours without GC; both fall on after compile.",
)

# %%
at = (
    control[control["epoch"].isin([half, 2 * half])]
    .groupby("epoch")[["train_loss", "train_accuracy", "test_accuracy"]]
    .mean()
)
held_out = at["test_accuracy"].diff().iloc[-1]
Markdown(
    f"Without any GC, from the end of the first {half} epochs to the end of {half} more after `compile`: training loss "
    f"**{at['train_loss'][half]:.3f}** to **{at['train_loss'][2 * half]:.3f}**, training accuracy "
    f"**{at['train_accuracy'][half]:.3f}** to **{at['train_accuracy'][2 * half]:.3f}**. Held-out accuracy, which the published example does "
    f"not look at: **{at['test_accuracy'][half]:.3f}** to **{at['test_accuracy'][2 * half]:.3f}**, "
    f"{'no gain at all' if held_out <= 0 else 'a gain as well'} (seeds: {control['seed'].nunique()})."
)

# %% [markdown] translates="d23cd1acef50"
# ## 不変量はどうなるか
#
# ノートブック 4 で見たように、GC を加えた SGD では、重みベクトル（weight vector）の平均はまったく動きません。RMSprop は、勾配の成分をそれぞれ別の縮尺で割るので、平均がゼロの勾配から、平均がゼロ**でない**更新量ができます。更新量を中心化すれば、これは直ります。`WeightMeanDrift` を使って、自分の環境で測ってみましょう。
#
# 表の値は、オプティマイザと群ごとの、重みベクトルの平均のずれ（shift of the mean）の最大値です。

# %%
import pandas as pd
from gc_tutorial import WeightMeanDrift, centralized, training_batches


def drift(optimizer):
    """The largest shift of a weight vector's mean in two short epochs on 128 pictures."""
    keras.utils.set_random_seed(0)
    model = build_cnn(settings.image_size)
    model.compile(optimizer, "binary_crossentropy")
    batches = training_batches(data.train_images[:128], data.train_labels[:128], batch_size=16, seed=0)
    callback = WeightMeanDrift()
    model.fit(batches, epochs=2, shuffle=False, verbose=0, callbacks=[callback])
    return callback.drift[-1]


# %%
makers = {
    "SGD": (keras.optimizers.SGD, {"learning_rate": 0.01, "momentum": 0.9}),
    "RMSprop": (keras.optimizers.RMSprop, {"learning_rate": 1e-3}),
}
drifts = {
    name: {
        "no GC": drift(make(**arguments)),
        "GC on the gradient": drift(centralized(make)(**arguments)),
        "GC on the update": drift(centralized(make)(**arguments, centralize="update")),
    }
    for name, (make, arguments) in makers.items()
}
pd.DataFrame(drifts).map("{:.1e}".format)

# %% [markdown] translates="edf985b7ee2a"
# ## この実験では言えないこと
#
# - **データセットは 1 つだけです。** コンピュータで描かれた、千枚ほどの画像です。論文の改善はほかのデータセットで測られていて、たとえば ImageNet では、top-1 誤り率（top-1 error）が GC なしで 23.71%、GC ありで 23.21% です（ResNet-50）。1 パーセントポイント（percentage point）の半分の違いは、ここでは現れません。
# - **ドメインシフト（domain shift）があります。** 評価用画像の背景は白く、訓練用画像の背景はそうではないので、評価正解率は、学習と同じくらい運に左右されます。
# - **評価用画像は 256 枚で、いつも同じです。** 区間はシードについてのものです。ほかの画像なら、違う結果になるかもしれません。256 枚の画像で測った 1 つの正解率には、それだけで約 6 パーセントポイントの不確かさがあります（$1.96\sqrt{0.25/256}$）。
# - **最後のエポックだけを見ています。** 正解率はエポックごとに跳ね上がったり落ちたりしますが、ここでは最後の値を取ります。
# - **バッチ正規化（batch normalization）のない小さなネットワークです。** 訓練も数エポックだけです。論文のネットワークは深く、正規化されていて、最後まで訓練されています。
# - **学習率はオプティマイザごとに 1 つで、どの群でも同じです。** 群によっては、別の学習率のほうがよいかもしれません。

# %% [markdown] translates="86994a7c2edc"
# ## 使うべきか
#
# 次の出力は、これらの画像での RMSprop の結果を、GC なしと比べて群ごとに述べたあと、次のように結んでいます。GC によって、訓練損失の下がり方は変わります。それが、ネットワークの見たことのない画像で役に立つかどうかは別の問題で、その答えがこれです。試すには、コードを一行変えるだけです。改善を信じる前に、**自分の**評価用データで、いくつものシードを使って比べてください。

# %%
lines = [f"- {plotting.LABELS[arm]}: {finding(differences, arm)}." for arm in ("gradient", "update")]
Markdown(
    f"On these pictures, with RMSprop, against no GC, {seeds} seeds:\n\n"
    + "\n".join(lines)
    + "\n\nGC changes how the training loss falls; "
    "whether that helps on pictures the network has not seen is another question, and here is its answer. It costs one line to try: "
    "compare on *your* held-out data, over several seeds, before you believe a gain."
)

# %% [markdown] translates="45f72ee955b9"
# ## 練習問題
#
# シードはいくつ必要でしょうか。評価正解率の区間の幅は、シードの数の平方根に反比例して縮みます。2 パーセントポイントの差を示すのにいくつのシードが必要か、実験の結果から見積もってください。
#
# <details><summary>解答例</summary>
#
# ```python
# import numpy as np
# from gc_tutorial.study.analysis import outcomes
#
# accuracy = outcomes(study, goal)["test_accuracy"].unstack("arm")
# spread = (accuracy["gradient"] - accuracy["none"]).std()
# print("seeds needed:", int(np.ceil((2.8 * spread / 0.02) ** 2)))
# ```
#
# 標準誤差（standard error）は `spread / sqrt(seeds)` です。区間は、左右に標準誤差の約 2 倍まで広がり（シードが少なければもっと広がり）、推定値そのものも標準誤差 1 つ分ほど揺れます。2.8 とすれば、区間がゼロを含まない見込みは 5 回に 4 回です。1.96 では五分五分です。
#
# </details>

# %% [markdown] translates="f3790f077ef2"
# ## この章のまとめ
#
# - 多数のシードで対応のある比較を行い、区間を付け、数値から導かれる判定を読みました。
# - 公開されている改善は、GC をまったく使わずに再現できました。同じモデルを 2 回訓練したことで生じたものです。
# - RMSprop では、GC が動いていても重みの平均は動きます。更新量を中心化すれば、平均は保たれます。
#
# 次は [6. 自分の画像](06_your_own_images.ipynb) です。GC をすぐに自分のコードで使いたければ、[7. どのオプティマイザでも](07_any_optimizer.ipynb) に直接進んでください。
