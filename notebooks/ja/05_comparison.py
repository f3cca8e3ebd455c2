# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] translates="875e8519cdcf"
# # 5. 比較
#
# **勾配集中化（Gradient Centralization、GC）を使った訓練と使わない訓練を比べます。いくつものシード（seed）で訓練し、どちらにも同じ画素を見せ、訓練に使わずに取り分けた評価用画像（held-out images）で測り、区間（interval）を付け、数値から判定（verdict）を書きます。また、調整していない学習率が 1 つだけでは、このような実験で言えることがどう限られるかを見ます。**
#
# `standard` プロファイルでは、プロセッサ 2 コアで 2〜4 分かかります。GPU は要りません。
#
# [Colab で開く](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/05_comparison.ipynb) · [Binder で開く](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/ja/05_comparison.ipynb) · [Kaggle で開く](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/05_comparison.ipynb) · [Codespaces で開く](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [nbviewer で読む](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/ja/05_comparison.ipynb) · [English](../05_comparison.ipynb)
#
# このノートブックで行うこと
#
# - 小さな対応のある比較（paired comparison）を、自分の環境で実行します。
# - 本物の画像で行った大きな比較の結果を、シードについての区間と、数値から書かれた判定とともに読みます。
# - 公開されているような改善（gain）が GC をまったく使わなくても生じること、論文の不変量（invariant）が RMSprop ではどうなるかを見ます。

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

# %% [markdown] translates="519c3a20871c"
# ## 公平な比較とは
#
# - **対応があること（paired）。** 群（arm）とは、比べる方法の 1 つです。GC なし（基準、baseline）、勾配（gradient）への GC、更新量（update）への GC があります。対応があるとは、同じシードの中で、どの群も同じ初期の重み（weight）から始まり、同じデータ拡張（augmentation）をかけた同じバッチ（batch）を受け取ることです。すべて、ビット単位で同じです。ですから、シードごとに、どの群からも基準を引けます。
# - **毎回新しく始めること。** 1 回の訓練（run）ごとに、モデルもオプティマイザ（optimizer）も新しく作ります。
# - **評価用画像で測ること。** 損失（loss）と正解率（accuracy）は、どの訓練にも使わない評価用画像で測ります。
# - **繰り返すこと。** いくつものシードで訓練し、差に区間を付けます。
# - **調整すること。** どの群にも、その群にいちばん合う学習率（learning rate）を使います。**次の実験では、これを行っていません。** すべての群に同じ 1 つの学習率を使っています。調整した学習率による実験を計画し、実行しているところです。計画は `gc_tutorial/study/plans/` にあり、その規則は結果を見る前に書かれました。
#
# 3 番目の群は、RMSprop のように勾配の成分ごとに縮尺を変えるオプティマイザのために、論文の著者自身が勧めている方法です。勾配ではなく、オプティマイザが勾配から作る**更新量**を中心化（centralize）します。
#
# `compare` は、調整のほかはすべて行います。ここでは、小さな比較を自分の環境で実行してみましょう。
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

# %% [markdown] translates="612b65d1f2b7"
# 判定を下すには、シードもエポックもまったく足りません。それには、もっと長い実験（study）が必要です。そのような実験の結果が、パッケージに付属しています。
#
# ## 実験
#
# 同じ関数を、本物の *Horses or Humans* の画像に、コマンドラインから使いました。終わった訓練は 1 回ごとに保存されるので、途中で止めて、あとで再開できます。結果の表は、それを作ったコマンドとともに `gc_tutorial/study/results/` にあります。
#
# 最初に出力される行は、データセット（data set）、画像のサイズ、バッチの大きさ、オプティマイザと学習率、エポックの数、群の数、シードの数、発散した（diverged）訓練の数を述べています。次の図の見出しは、RMSprop に勾配への GC を加えたとき、最後の訓練損失（final training loss）と最後の評価正解率（final held-out accuracy）がどうなったかを述べています。lower は「低くなった」、higher は「高くなった」、no difference shown は「差は示されなかった」という意味です。

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

# %% [markdown] translates="d0a15bd6db30"
# 線はシードについての平均、帯は最低のシードから最高のシードまでの範囲です。結果はシードによって大きく違います。だからこそ、訓練に対応をつけてあるのです。次の図は差の平均で、それぞれに、シードについての 95% 信頼区間（confidence interval、もっと多くのシードで訓練したときの平均がありそうな範囲）が 2 種類付いています。太い線はブートストラップ（bootstrap）、細い線はスチューデントの t（Student's t）による区間です。シードが少ないと、ブートストラップの区間は狭すぎます。そこで図の見出しは、どちらの区間もゼロを含まないときにだけ、差があると述べます。
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

# %% [markdown] translates="aaacc4e821c9"
# ### 判定
#
# 次のセルが、表から判定を書きます。言葉を決めるのはスチューデントの t です。その区間がゼロを含まなければ、GC は役に立つ（helps）か、害になる（hurts）かです。正解率の変化が確かに 2 ポイントより小さければ、実用上の違いはありません（no practical difference）。そのほかのときは、結論が出ません（inconclusive）。
#
# 最初に出力される行は、訓練損失の目標、つまり GC なしの訓練の最後の値の平均を示しています。続く各行は、図の横軸と同じ項目について、判定の言葉と、GC なしに比べてどれだけ低い（lower by）か、高い（higher by）かを述べています。かっこの中は t の区間（interval）、最後はシードの数（seeds）です。正解率の差はポイント（points）で書かれています。

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

# %% [markdown] translates="0251e959e717"
# 差は 10 個あります。仮に違いがまったくなく、10 個が互いに独立だとしても、このような表の 1 - 0.95¹⁰ = 40% では、少なくとも 1 つの区間がゼロから外れます。ゼロからかろうじて外れた区間が 1 つあっても、それは手がかりであって、結論ではありません。
#
# 注意の要る項目が 2 つあります。訓練損失の目標は、基準となる GC なしの訓練**自身**の最後の値の平均です。そのため、GC なしの訓練のいくつかは目標に達しません。達しなかった訓練は、行ったエポックの数より 1 つ多くかかったものとして数えます。1 エポックあたりの秒数は、ほかの仕事もしているマシンで測りました。そこに差があってもほとんど何も言えません。GC にかかる時間は、`make benchmark` のほうがよく測れます。
#
# ## SGD での同じ比較
#
# モーメンタム（momentum）が 0.9 の確率的勾配降下法（stochastic gradient descent、SGD）です。論文の理論が対象とするオプティマイザです。

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

# %% [markdown] translates="028a608ad7c4"
# SGD では勾配が**そのまま**更新の方向になるので、どちらを中心化しても、丸め誤差（rounding）を除けば同じことです。訓練は丸め誤差を増幅するので、1 回ごとの訓練は互いに離れていきますが、その平均は離れないはずです。これで、実験そのものを検査できます。
#
# 次の出力は、更新量への GC の最後の訓練損失を、勾配への GC と比べた判定です。

# %%
update_or_gradient = (
    paired_differences(sgd, baseline="gradient").query("arm == 'update' and outcome == 'train_loss'").iloc[0]
)
Markdown(f"Final training loss of GC on the update, against GC on the gradient: {verdict(update_or_gradient)}.")

# %% [markdown] translates="4b316426ecd6"
# ## 公開例の設定
#
# 公開されている例の設定（the published recipe）での結果です。「公開されている」の意味は[ノートブック 4](04_gradient_centralization.ipynb) と同じで、最後に変更された 2023-07-25 の時点での Keras の GC の例を指します。
#
# 図と判定のあとの文は、初めの実験での訓練損失の変化と、この設定での区間を比べ、初めの実験ほど大きな効果がありえないか（excluded）、ありうるか（not excluded）を述べています。

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

# %%
first, here = (
    rows[(rows["arm"] == "gradient") & (rows["outcome"] == "train_loss")].iloc[0]
    for rows in (differences, recipe_differences)
)
excluded = here["t_low"] > first["difference"]
Markdown(
    f"In the first study, GC on the gradient changed the final training loss by {first['difference']:.2f}. At the published recipe "
    f"the interval is {here['t_low']:.2f} to {here['t_high']:.2f}, from {here['seeds']:.0f} seeds: "
    f"an effect as large as in the first study is **{'excluded' if excluded else 'not excluded'}**."
)

# %% [markdown] translates="563c0ce90994"
# 2 つの実験は、学習率、バッチの大きさ、画像のサイズ、ステップの数が違います。そのどれが決め手なのかは、ここでは調べていません。実行中の実験の計画 E（`gc_tutorial/study/plans/E_recipe.toml`）では、この設定でもっと長く訓練します。
#
# ## 公開されているような改善は GC なしでどう生じるか
#
# [公開されている例](https://keras.io/examples/vision/gradient_centralization/)は、次の結果を報告していました。損失は GC なしで 0.53、GC ありで 0.40、正解率は 0.76 と 0.82、時間は 112 秒と 98 秒です。（途中で表示される経過の行は、下の図に描いたもので、0.62 と 0.46 で終わっています。2021 年の最初の版では、0.55 と 0.41、76% と 82% でした。）どれも訓練用画像（training images）での値です。どのバージョンの Keras がこれらの数値を表示したのかは、分かっていません。Keras 3 では、その GC は一度も実行されません（ノートブック 4）。
#
# この例は、2 回の訓練の間に `compile` をもう一度呼ぶだけです。別の読者がこのことを 2025 年に報告し（[issue 2111](https://github.com/keras-team/keras-io/issues/2111)）、[pull request 2113](https://github.com/keras-team/keras-io/pull/2113) が訓練ごとに別のモデルを使うようにしました。`compile` は**重みをそのまま残します**。
#
# 次の出力は、「`compile` が重みを変えたか」に True（はい）か False（いいえ）で答えたものです。

# %%
import keras
from gc_tutorial import build_cnn

model = build_cnn(settings.image_size)
before = model.get_weights()
model.compile(keras.optimizers.RMSprop(1e-4), "binary_crossentropy")
print("compile changed a weight:", any((a != b).any() for a, b in zip(before, model.get_weights())))

# %% [markdown] translates="f8ee95f647fb"
# つまり 2 回目の訓練は、1 回目の訓練が終わったところから続くのです。
#
# この実験を、GC をまったく使わずに繰り返します。素の RMSprop（plain RMSprop）で 10 エポック、もう一度 `compile`、そして素の RMSprop でもう 10 エポック訓練します。図では、公開されている例が表示した訓練損失と並べて描きます。
#
# 図の見出しは「GC がまったくなくても、訓練を続ければ『改善』が現れる」という意味です。点線は、`compile` をもう一度呼んだところです。凡例は、no GC, compiled again が GC なしで `compile` をもう一度呼んだ訓練、published が公開されている例（「GC なし」のあとに「GC あり」）です。図の下の文は、最初の 10 エポックの終わりから次の 10 エポックの終わりまでに、訓練損失と訓練正解率（training accuracy）がいくつからいくつになったかを述べています。続いて、公開されている例では見ていない評価正解率について、前半と後半それぞれの終わりの数エポックの中央値（median）と、その範囲を述べています。シードの数（Number of seeds）が少なく、評価用画像については何も言えません。

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
at = control[control["epoch"].isin([half, 2 * half])].groupby("epoch")[["train_loss", "train_accuracy"]].mean()
last_five = control.assign(half=(control["epoch"] - 1) // half, place=(control["epoch"] - 1) % half).query(
    f"place >= {half - 5}"
)
held_out = last_five.groupby("half")["test_accuracy"]
Markdown(
    f"Without any GC, from the end of the first {half} epochs to the end of {half} more after `compile`: training loss "
    f"**{at['train_loss'][half]:.3f}** to **{at['train_loss'][2 * half]:.3f}**, training accuracy "
    f"**{at['train_accuracy'][half]:.3f}** to **{at['train_accuracy'][2 * half]:.3f}**. The published example does not look at held-out "
    f"accuracy. Here its median over the last five epochs of each half is **{held_out.median()[0]:.3f}** and "
    f"**{held_out.median()[1]:.3f}**; single ones of these epochs lie between {held_out.min().min():.3f} and "
    f"{held_out.max().max():.3f}. Number of seeds: {control['seed'].nunique()}, too few for a statement about held-out pictures."
)

# %% [markdown] translates="6d638b11963a"
# ## 不変量はどうなるか
#
# ノートブック 4 で見たように、GC を加えた SGD では、重みベクトル（weight vector）の平均はまったく動きません。RMSprop は、勾配の成分をそれぞれ別の縮尺で割るので、平均がゼロの勾配から、平均がゼロ**でない**更新量ができます。代わりに更新量を中心化すれば、平均は動きません。`WeightMeanDrift` を使って、自分の環境で測ってみましょう。
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

# %% [markdown] translates="d91043840878"
# ## この実験では言えないこと
#
# - **学習率はオプティマイザごとに 1 つで、調整しておらず、どの群でも同じです。** GC はステップの大きさを変えるので、群によっては別の学習率が要るかもしれません。学習率が基準の群にとって低すぎれば、速くなるものは何でもよく見えます。
# - **データセットは 1 つだけです。** コンピュータで描かれた、千枚ほどの画像です。論文の改善はほかのデータセットで測られていて、たとえば ImageNet では、top-1 誤り率（top-1 error）が GC なしで 23.71%、GC ありで 23.21% です（ResNet-50）。1 パーセントポイント（percentage point）の半分の違いは、ここでは現れません。
# - **ドメインシフト（domain shift）があります。** 評価用画像の背景は白く、訓練用画像の背景はそうではありません。訓練用画像と同じ種類の評価用画像については、この実験からは何も言えません。
# - **評価用画像は 256 枚で、いつも同じです。** 区間はシードについてのものです。ほかの画像なら、違う結果になるかもしれません。互いに独立な 256 枚の画像なら、1 つの正解率の不確かさは約 6 パーセントポイントです（$1.96\sqrt{0.25/256}$）。これらの画像は独立ではありません。描かれた約 11 体の姿をいろいろな向きから写したものなので、不確かさはもっと大きくなります。
# - **最後のエポックだけを見ています。** 正解率はエポックごとに跳ね上がったり落ちたりしますが、ここでは最後の値を取ります。
# - **バッチ正規化（batch normalization）のない小さなネットワークです。** 訓練も数エポックだけです。論文のネットワークは深く、正規化されていて、最後まで訓練されています。

# %% [markdown] translates="86994a7c2edc"
# ## 使うべきか
#
# 次の出力は、これらの画像での RMSprop の結果を、GC なしと比べて群ごとに述べたあと、次のように結んでいます。調整していないこの学習率では、GC によって訓練損失の下がり方が変わります。ネットワークの見たことのない画像で役に立つかどうかは、正解率の区間が広く、ここでは答えられません。調整した学習率による実験を計画し、実行しているところです。それまでは、改善を信じる前に、調整した学習率といくつものシードを使って、**自分の**評価用データで比べてください。

# %%
lines = [f"- {plotting.LABELS[arm]}: {finding(differences, arm)}." for arm in ("gradient", "update")]
unseen = differences[(differences["arm"] == "gradient") & (differences["outcome"] == "test_accuracy")].iloc[0]
Markdown(
    f"On these pictures, with RMSprop, against no GC, {seeds} seeds:\n\n"
    + "\n".join(lines)
    + "\n\nSo at this one learning rate, which was not tuned, GC changes how the training loss falls. Whether it helps on pictures "
    f"that the network has not seen is **not answered** here: the interval for the accuracy is {100 * (unseen['t_high'] - unseen['t_low']):.0f} "
    "points wide. A study with tuned rates is planned and running. Until then, compare on *your* held-out data, with tuned rates and "
    "several seeds, before you believe a gain."
)

# %% [markdown] translates="82316ab6b115"
# ## 練習問題
#
# シードはいくつあれば足りるでしょうか。評価正解率の区間の幅は、シードの数の平方根に反比例して縮みます。2 パーセントポイントの差を示すのにいくつのシードが必要か、実験の結果から見積もってください。
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

# %% [markdown] translates="6f041408aafa"
# ## この章のまとめ
#
# - いくつものシードで対応のある比較を行い、区間を付け、数値から導かれる判定を読みました。成り立つのは、調整していない 1 つの学習率についてです。
# - 公開されているような改善は、GC をまったく使わなくても生じます。同じモデルを 2 回訓練したことによるものです。
# - RMSprop では、GC が動いていても重みの平均は動きます。更新量を中心化すれば、平均は保たれます。
#
# 次は [6. 自分の画像](06_your_own_images.ipynb) です。GC を自分のコードで使うには、[7. どのオプティマイザでも](07_any_optimizer.ipynb) に進んでください。
