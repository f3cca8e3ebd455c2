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

# %% [markdown]
# # 5. The comparison
#
# **Learn how to compare training with and without gradient centralization (GC) so that you can trust the result, read what the studies found,
# and see two ways in which a comparison misleads.**
#
# In the `standard` profile it takes about a minute on two processor cores; no GPU needed.
#
# [Open in Colab](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/05_comparison.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/05_comparison.ipynb) · [Open in Kaggle](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/05_comparison.ipynb) · [Open in Codespaces](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [Read in nbviewer](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/05_comparison.ipynb) · [日本語](ja/05_comparison.ipynb)
#
# In this notebook you will
#
# - run a small paired comparison on your own machine;
# - read what the studies have found;
# - see how one untuned setting misleads, and how a gain like that of the Keras example arises without any GC.

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

image_size = min(settings.image_size, 94)  # as in study A; with larger images the live comparison only takes longer
data = load_data(settings.data, image_size)

# %% [markdown]
# ## What makes a comparison fair
#
# An *arm* is one of the methods compared. The *baseline* is the arm without GC. *GC on the gradient* is what
# [notebook 4](04_gradient_centralization.ipynb) writes. *GC on the update* centralizes not the gradient but the step that the optimizer makes
# of it. The paper's authors suggest this for adaptive optimizers, such as RMSprop and Adam, which rescale every number of the gradient.
#
# - **Paired.** Within a seed every arm starts from the same weights and sees the same batches, bit for bit. So the baseline can be
#   subtracted from each arm, seed by seed.
# - **Fresh.** Each run has a new model and a new optimizer.
# - **Held out.** Loss and accuracy are measured on images that no run trains on. In the live comparison these are the images on
#   white. The planned studies below also hold out horses and humans among the training images.
# - **Repeated.** Several seeds give an interval for the difference.
# - **Tuned.** Each arm has the learning rate that suits it best, chosen on seeds that are then not used again. The
#   images are the same, and are held out in turn.
#
# `compare` does all of this except the tuning. Here it runs two arms with RMSprop:

# %%
from gc_tutorial import compare

live = compare(
    data,
    learning_rate=settings.learning_rate,
    arms=("none", "gradient"),
    seeds=settings.seeds,
    image_size=image_size,
    batch_size=settings.batch_size,
    epochs=settings.epochs,
    progress=False,
)
live[["arm", "seed", "epoch", "train_loss", "test_loss", "test_accuracy"]].tail(2).round(3)

# %% tags=["hide-input"]
from gc_tutorial import text
from gc_tutorial.plotting import learning_curves, show

title = text("On this machine: {seeds} seeds, {epochs} epochs", seeds=settings.seeds, epochs=settings.epochs)
show(
    learning_curves(live, ("train_loss", "test_accuracy"), title=title),
    alt="Training loss and held-out accuracy by epoch without GC and with it, from the small live comparison.",
)

# %% [markdown]
# These are far too few seeds and epochs to conclude anything from.
#
# ## The study: each arm at its own best rate
#
# The study has two parts. **A** chooses the rates: every arm runs at seven learning rates, on five seeds, with images of 94 pixels. **B** gives
# the answer for RMSprop and Adam, with images of 150 pixels. It first tunes again, on other seeds, over the three rates around A's best. Then it
# trains without GC and with GC on the gradient on 60 fresh seeds, each at its best rate and also at the other's.
#
# The [plans](../gc_tutorial/study/plans) and the rules that decide were committed before the runs that they judge, with the exceptions that the
# [results](../gc_tutorial/study/results/README.md) list. A rule is applied only when all its runs are finished.
#
# Held-out images show other horses and humans than those trained on, in front of the same backgrounds. There are 67 rendered horses and humans,
# here called *individuals* (the plans call them *figures*). From seed to seed, the initial weights, the order, the augmentation, the dropout and
# the held-out individuals change. The spread of the held-out accuracy comes from all of them. An interval over individuals, instead of over
# seeds, says what to expect of new ones.
#
# Two other studies, D (RMSprop) and D2 (SGD), train with and without GC at the rate that A found best *without* GC, with images of 94 pixels
# ([notebook 8](08_why_it_works.ipynb)). In the figure below, the last 12 rows of the third panel are study C: other data sets and networks, ten
# seeds each ([notebook 9](09_should_you_use_it.ipynb)).

# %%
from gc_tutorial.study.published import published

tuning, confirmation = published("A_tuning"), published("B_confirmation")
answers = {**tuning.findings(), **confirmation.findings()}
print(tuning.progress, confirmation.progress, sep="\n")

# %% tags=["hide-input"]
import pandas as pd
from gc_tutorial.study.evidence.figures import answer, answer_alt

tables = [one["heldout"].table for one in (answers, published("C_generality").findings())]
heldout = pd.concat(tables, ignore_index=True)
show(answer(tuning.runs, heldout), alt=answer_alt(tuning.runs, heldout))

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.figures import tuning_runs
from gc_tutorial.study.evidence.names import value_name
from gc_tutorial.study.evidence.tuning import tuned_rates
from gc_tutorial.study.evidence.wording import rate, rates
from IPython.display import Markdown

shown = tuning_runs(tuning.runs, "rmsprop")
star = tuned_rates(shown, "heldout_loss").set_index("arm").loc["gradient"]
row = answers["heldout"].table.set_index("optimizer").loc["rmsprop"]
sizes = shown["image_size"].iloc[0], confirmation.runs["image_size"].iloc[0]
said = (
    "The second panel and the third do not show the same training runs. With {name} the second shows study A: {few} seeds, {small:.0f} pixels, "
    "and GC's star at {star}. The first two rows of the third have study B: {many:.0f} seeds, {large:.0f} pixels, {rates}. The table of means below has B at a "
    "higher rate, too."
)
values = {"few": shown["seed"].nunique(), "many": row["seeds"], "small": sizes[0], "large": sizes[1]}
pair = rates(row["learning_rate"], row["learning_rate_baseline"])
Markdown(text(said, name=value_name("optimizer", "rmsprop"), star=rate(star["learning_rate"]), rates=pair, **values))

# %% [markdown]
# Each dot is a run, lines are means over seeds, and a star marks the best rate of an arm: the one with the lowest training loss in the first
# panel, and with the lowest held-out loss in the second. All arms use the same rates; the points are shifted a little so that they do not
# overlap. At a high rate, one run whose loss explodes can dominate the mean. *Clean* training loss is measured without dropout and augmentation;
# *running* training loss is that of the training steps. The goal of the speed comparison is the mean running loss that training *without* GC
# reaches, at its best rate and on the tuning seeds, after two thirds of the epochs: the baseline's own mean. Each loss and accuracy of a planned
# study is the mean of the last three epochs, unless its rule says otherwise.
#
# The rules use four words:
#
# - GC **helps** or **hurts** where the 95% interval of the difference excludes zero and the result survives a correction for several tests,
#   however small the difference is. Under the same two conditions a difference, an effect or a change is *shown*.
# - There is **no practical difference** where the 90% interval lies within a margin. In A and B it is two points of accuracy, 0.02 nats of
#   training loss, and 0.05 nats of held-out loss.
# - Everything else is **inconclusive**, which does not mean that there is no difference.
#
# What no rule asks for is marked *(not tested by a rule)*.

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.synthesis import at_one_rate

questions = {
    "speed": text("Does GC train faster?"),
    "training": text("Does GC fit the training images better?"),
    "learning_rate": text("Is GC no more than a larger step?"),
    "heldout": text("Does GC help on horses and humans never seen?"),
    "shifted": text("And on the images on white?"),
    "exchange": text("Does the answer depend on the choice of the rate?"),
}
lines = [answers[name].bullets(asked) for name, asked in questions.items()]
one_rate = at_one_rate(published("D_mechanism").findings())
one_rate += at_one_rate(published("D2_mechanism_sgd").findings(), "sgd")
lines += [f"- **{text('At one rate, with and without GC:')}** {said}" for said in one_rate]
Markdown("\n".join(lines))

# %% [markdown]
# So, by the rules, GC trains faster and fits the training images better, and its accuracy on these held-out horses and humans is lower. For other
# horses and humans nothing is shown.
#
# These findings come from different learning rates. For speed and fit the rules take the rates with the lowest *training* loss on five tuning seeds, and
# for accuracy those with the lowest *held-out* loss. B trained both arms at all of these rates. The table has the mean held-out accuracy at each
# rate (not tested by a rule):

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.names import arm_name

fresh = confirmation.runs.query("stage == 'confirmation'")
means = fresh.pivot_table(index=["optimizer", "learning_rate"], columns="arm", values="heldout_accuracy")
means = means[["none", "gradient"]].map("{:.1%}".format).rename(columns=arm_name)
means = means.rename(index=lambda one: value_name("optimizer", one), level=0).rename(index=rate, level=1)
named = text("held-out accuracy, mean of {seeds} seeds", seeds=fresh["seed"].nunique())
means.rename_axis(index=[text("optimizer"), text("learning rate")], columns=named)

# %% [markdown]
# The next lines compare both arms at one rate, seed by seed:

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.intervals import estimate
from gc_tutorial.study.evidence.same_rates import change_with_rate, same_rates
from gc_tutorial.study.evidence.wording import amount

goals = answers["speed"].table.set_index("optimizer")["goal"]
lines = []
for row in same_rates(confirmation.table, confirmation.runs, goals).to_dict("records"):
    loss, accuracy = (
        amount(*(row[f"{name}_{end}"] for end in ("difference", "t_low", "t_high")), name)
        for name in ("clean_loss", "heldout_accuracy")
    )
    values = {"optimizer": value_name("optimizer", row["optimizer"]), "rate": rate(row["learning_rate"])}
    said = (
        "- {optimizer}, both at {rate}: without GC {ratio:.2f} times as many epochs ({ratio_low:.2f} to {ratio_high:.2f}); with GC "
        "the clean training loss is {loss}, and the held-out accuracy is {accuracy}."
    )
    ratios = {name: row[name] for name in ("ratio", "ratio_low", "ratio_high")}
    lines.append(text(said, loss=loss, accuracy=accuracy, **values, **ratios))
for row in change_with_rate(confirmation.runs).to_dict("records"):
    said = (
        "- {optimizer}: the effect on the held-out accuracy is {size:.1f} points higher at {high} than at {low} (95% interval "
        "{t_low:.1f} to {t_high:.1f})."
    )
    values = {
        "optimizer": value_name("optimizer", row["optimizer"]),
        "low": rate(row["low_rate"]),
        "high": rate(row["high_rate"]),
    }
    ends = {name: 100 * row[name] for name in ("t_low", "t_high")}
    lines.append(text(said, size=100 * row["difference"], **values, **ends))
Markdown("\n".join(lines))

# %% [markdown]
# Of these lines, only the lower accuracy at 3.2e-4, the speed of RMSprop at 1e-3, and the losses at 1e-3, are results of a rule. The others are
# not tested by a rule. They show how much the answers depend on the rate.
#
# *A best rate lies at the edge of its grid*, or a dagger in a figure, means that a better rate may lie outside. In B it is 3.2e-4, the lowest of three
# rates. Plan B2 adds 1e-4 to the tuning, and the same rates are the best
# ([findings](../gc_tutorial/study/results/B2_lower_rate/findings.md)). No rate above 1e-3 was trained on the fresh seeds; study D tried a larger step.
#
# The next table has the best rates of study A by training loss and by held-out loss. They can differ: the rate that fits the training images best
# need not be best for new ones. With five seeds the choice is uncertain, too ([how often the same rate is chosen
# again](../gc_tutorial/study/results/A_tuning/findings.md)).

# %% tags=["hide-input"]
twelve_epochs = tuning.runs[tuning.runs["epochs"] == 12]
best = {
    text("by training loss"): tuned_rates(twelve_epochs, "clean_loss"),
    text("by held-out loss"): tuned_rates(twelve_epochs, "heldout_loss"),
}
best = {name: table.set_index(["optimizer", "arm"])["learning_rate"].map(rate) for name, table in best.items()}
best = (
    pd.DataFrame(best).rename(index=lambda one: value_name("optimizer", one), level=0).rename(index=arm_name, level=1)
)
best.rename_axis([text("optimizer"), text("arm")])

# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title The numbers behind the answers
from gc_tutorial.study.evidence.result_rows import result_rows

outcomes = {
    "training": text("training loss"),
    "heldout": text("held-out accuracy"),
    "shifted": text("accuracy on the images on white"),
}
columns = [text("outcome"), text("setting"), text("GC minus no GC (95% interval)"), text("seeds"), text("word")]
result_rows(answers, outcomes).set_axis(columns, axis=1).set_index(columns[:2])

# %% [markdown]
# ## How one setting misleads
#
# The first, untuned studies of this tutorial took **one learning rate for all arms, not tuned**, and the running training loss (with dropout and
# augmentation) of the last epoch. There are three: RMSprop, SGD with momentum, and the recipe of the Keras example. *The Keras example* means
# here, as in notebook 4, the Keras example of GC as last modified on 2023-07-25, and *its recipe* the settings of its training. The verdicts use
# the same four words, without a correction for several tests.

# %%
from gc_tutorial.study.analysis import load_study, paired_differences

studies = {name: load_study(name) for name in ("rmsprop", "sgd", "published_recipe")}
differences = {name: paired_differences(study) for name, study in studies.items()}
losses = {
    name: table.query("arm == 'gradient' and outcome == 'train_loss'").iloc[0] for name, table in differences.items()
}

# %% tags=["hide-input"]
from gc_tutorial.study.analysis import verdict
from gc_tutorial.study.settings_figure import settings_figure

called = {"rmsprop": "RMSprop", "sgd": "SGD", "published_recipe": text("Keras example's recipe")}
rows = {}
for name, study in studies.items():
    size = {"rate": rate(study["learning_rate"].iloc[0]), "seeds": study["seed"].nunique()}
    rows[text("{name},\nrate {rate}, {seeds} seeds", name=called[name], **size)] = differences[name]
lower = sum(loss["t_high"] < 0 for loss in losses.values())
accuracies = pd.concat(differences.values()).query("arm == 'gradient' and outcome == 'test_accuracy'")
shown = int((accuracies["t_low"] * accuracies["t_high"] > 0).sum())
said = (
    "One rate each: lower training loss with GC in {lower} of {count} settings; for the accuracy no difference is shown"
)
if shown:
    said = (
        "One rate each: lower training loss with GC in {lower} of {count} settings; a difference in accuracy in {shown}"
    )
title = text(said, lower=lower, count=len(losses), shown=shown)
alt = "Differences from no GC with 95% intervals, for both GC arms in three settings. Training loss, GC on the gradient: {found}"
found = text("; ").join(
    text("{name} {verdict}", name=called[name], verdict=verdict(loss)) for name, loss in losses.items()
)
show(settings_figure(rows, title=title), alt=text(alt, found=found))

# %%
lines = []
for name, study in studies.items():
    size = study.iloc[0]
    values = {"name": called[name], "verdict": verdict(losses[name]), **size[["image_size", "batch_size", "epochs"]]}
    said = "- {name} ({image_size} pixels, batches of {batch_size}, {epochs} epochs): {verdict}."
    lines.append(text(said, **values))
Markdown(text("Training loss, GC on the gradient against no GC:") + "\n\n" + "\n".join(lines))

# %%
excluded = losses["published_recipe"]["t_low"] > losses["rmsprop"]["difference"]
Markdown(
    text(
        "With the recipe of the Keras example an effect on the training loss as large as in the first row is **excluded**."
        if excluded
        else "With the recipe of the Keras example an effect on the training loss as large as in the first row is **not excluded**."
    )
)

# %% [markdown]
# If we had studied only one setting, we would have reported one of these lines as the answer. The settings differ in several things, so this
# comparison cannot say which of them matters. [Plan E](../gc_tutorial/study/plans/E_recipe.toml) trains by the recipe of the Keras example for longer
# (see below). The tuning runs of A differ in the rate alone. So they show what a study at one rate would have reported, at the baseline's best rate
# and at its neighbours:

# %%
runs = tuning_runs(tuning.runs, "rmsprop")
loss = runs.pivot_table(index="seed", columns=["arm", "learning_rate"], values="clean_loss")
by_rate = (loss["gradient"] - loss["none"]).dropna()
best = by_rate.columns.get_loc(loss["none"].mean().idxmin())
lines = []
for one in by_rate.columns[max(0, best - 1) : best + 2]:
    found = estimate(by_rate[one])
    difference = amount(found["difference"], found["t_low"], found["t_high"])
    lines.append(text("- at the rate {rate}: {difference}", rate=rate(one), difference=difference))
title = text("Clean training loss with GC, RMSprop, {seeds} tuning seeds:", seeds=len(by_rate))
Markdown(title + "\n\n" + "\n".join(lines))

# %% [markdown]
# This describes the tuning runs and decides nothing, because these runs chose the rates.
#
# ## How a gain like that of the Keras example arises without GC
#
# The [Keras example](https://keras.io/examples/vision/gradient_centralization/) of 2023-07-25 reports in its summary a training loss of 0.5346
# without GC and 0.4014 with it, and a training accuracy of 76.04% and 81.54%. Its progress lines end at a loss of 0.6197 and 0.4589. Both are
# drawn below. It measures no held-out images. The progress lines end higher than the summary. Their form is that of Keras 3, whose progress bar
# took the mean of running means ([issue 20212](https://github.com/keras-team/keras/issues/20212) of 2024, [pull request
# 23030](https://github.com/keras-team/keras/pull/23030) of 2026), which would explain this. Which version of Keras 3 printed them is not known.
# Under Keras 3 the GC of the example never runs.
#
# Earlier versions of the example reported other numbers: a loss of 0.55 without GC and 0.41 with it in [pull request
# 497](https://github.com/keras-team/keras-io/pull/497) of 2021, and 0.58 and 0.44 in the [page last modified on
# 2021-06-18](https://github.com/keras-team/keras-io/blob/ad4fc805f5e1a4a4c0bcdd416aa9feac6608fb6c/examples/vision/md/gradient_centralization.md).
#
# Others found this before us. In 2021 [issue 24](https://github.com/Rishit-dagli/Gradient-Centralization-TensorFlow/issues/24) of the package
# `gctf` said of its own example that compiling a model again does not reset the weights, so that the second training is better anyway. In 2025
# [issue 2111](https://github.com/keras-team/keras-io/issues/2111) said that the comparison of the Keras example might not be fair ([notebook
# 4](04_gradient_centralization.ipynb) has the whole story). Between its two training runs the example only called `compile` again, and `compile`
# **keeps the weights**:

# %%
import keras
from gc_tutorial import build_cnn

model = build_cnn(image_size)
before = model.get_weights()
model.compile(keras.optimizers.RMSprop(1e-4), "binary_crossentropy")
changed = any((a != b).any() for a, b in zip(before, model.get_weights()))
print(text("compile changed a weight: {changed}", changed=changed))

# %% [markdown]
# So the second training continues where the first one stopped. Study E repeats that experiment without any GC, on five fresh seeds: plain RMSprop
# for ten epochs, `compile` again, plain RMSprop for ten more. The figure shows these runs and their mean beside the training loss in the progress lines
# of the Keras example and in its summary (*published*, in the figure and in the lines below, means: of the Keras example).

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
from gc_tutorial import plotting

recipe, progress = published("E_recipe"), load_study("published_progress")
control = recipe.table[recipe.table["arm"] == "recompiled"]
half, summary = progress["epoch"].max() // 2, {10: 0.5346, 20: 0.4014}
figure, axis = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
plotting.draw_control(axis, control, progress, summary)
axis.set_title("More training without GC lowers the loss, too")
show(
    figure,
    alt="Training loss over twenty epochs: the curve of the Keras example, and five runs without GC with their mean; all fall on after compile.",
)

# %%
at = control[control["epoch"].isin([half, 2 * half])].groupby("epoch")[["train_loss", "train_accuracy"]].mean()
by_seed = control.pivot(index="seed", columns="epoch", values="train_loss")
fall = estimate(by_seed[half] - by_seed[2 * half])
values = {
    "half": half,
    "seeds": len(by_seed),
    "loss": at["train_loss"][half],
    "later_loss": at["train_loss"][2 * half],
    "accuracy": at["train_accuracy"][half],
    "later_accuracy": at["train_accuracy"][2 * half],
    "fall": amount(-fall["difference"], -fall["t_high"], -fall["t_low"]),
    "published": summary[10] - summary[20],
}
Markdown(
    text(
        "Without any GC, from the end of the first {half} epochs to the end of {half} more after `compile` (means of {seeds} seeds): "
        "training loss **{loss:.2f}** to **{later_loss:.2f}**, training accuracy **{accuracy:.2f}** to **{later_accuracy:.2f}**. "
        "The loss is {fall}. In the summary of the Keras example it is lower by {published:.2f}.",
        **values,
    )
)

# %% [markdown]
# This compares single epochs (not tested by a rule). The rule of study E takes the mean loss of epochs 8 to 10 and of epochs 18 to 20, and
# compares it with the progress lines of the Keras example. E also trains by the recipe of that example without GC and with it, and compares the two
# after ten epochs and after 40. The *running* loss is that of the training steps themselves, with dropout and augmentation, as Keras prints it.

# %%
asked = {
    "control": text("How much does a second training without GC gain?"),
    "ten_epochs": text("What does GC do in ten epochs?"),
    "too_few_steps": text("And in 40?"),
}
found = recipe.findings()
lines = [f"- **{question}** {found[rule].found}" for rule, question in asked.items()]
Markdown("\n".join(lines))

# %% [markdown]
# ## What this notebook cannot say
#
# - **Studies A, B and E have one data set and one network**, the plain CNN, which has no batch normalization; A and B trained it for 12 epochs (A
#   also for 36). Study C has others ([notebook 9](09_should_you_use_it.ipynb)), D and D2 batch normalization, too. The paper measured its gains
#   on others. On ImageNet, for instance, the top-1 error of ResNet-50 is 23.71% without and 23.21% with GC ([Yong et al.
#   2020](https://arxiv.org/abs/2004.01461)).
# - **Few rendered horses and humans.** The training images show [50 horses and 17 humans](../gc_tutorial/study/training_figures.md).
#   The intervals are over seeds; for other horses and humans the result could differ.
# - **The untuned studies** have one rate, use the last epoch only, and measure held-out accuracy on the images on white
#   alone. So they say nothing about images of the same kind as the training images.
# - **Small effects on held-out images.** With the spread of study B, 60 seeds can miss a true difference of two points, even without the correction for
#   several tests, and half a point would not show:

# %% tags=["hide-input"]
from statsmodels.stats.power import TTestPower

lines = []
for row in answers["heldout"].table.itertuples():
    missed = 1 - TTestPower().power(0.02 / row.sd, row.seeds, 0.05)
    said = "- {optimizer}: the interval reaches {half:.1f} points to either side; {missed:.0%} of such studies would miss a true difference of two points."
    values = {"half": 50 * (row.t_high - row.t_low), "missed": missed}
    lines.append(text(said, optimizer=value_name("optimizer", row.optimizer), **values))
Markdown("\n".join(lines))

# %% [markdown]
# Other data, other networks, cost, and what to do in your own project: [9. Should you use it?](09_should_you_use_it.ipynb)

# %% [markdown]
# ## Exercise
#
# How many seeds would be enough? The width of the interval for the held-out accuracy falls with the square root of the number of
# seeds. From the untuned study with RMSprop, estimate how many seeds you need so that four of five such studies would show a true difference of two
# percentage points. For this the difference must be 2.8 standard errors. A standard error is the spread of the paired differences, divided by the
# square root of the number of seeds.
#
# The next cell is the solution. It is folded: try first, then open it.

# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title Solution
import numpy as np
from gc_tutorial.study.analysis import final_training_loss, outcomes

study = studies["rmsprop"]
accuracy = outcomes(study, final_training_loss(study))["test_accuracy"].unstack("arm")
spread = (accuracy["gradient"] - accuracy["none"]).std()
needed = int(np.ceil((2.8 * spread / 0.02) ** 2))
answer = "Answer: about {needed} seeds. The difference spreads by {spread:.0f} points from seed to seed."
print(text(answer, needed=needed, spread=100 * spread))
print(
    text(
        "A standard error is spread / sqrt(seeds). To exclude zero, an estimate must be 1.96 standard errors away from it. For\n"
        "this to happen in four of five studies, the true difference must be 1.96 + 0.84 = 2.8 standard errors."
    )
)
for row in answers["heldout"].table.itertuples():
    needed = int(np.ceil((2.8 * row.sd / 0.02) ** 2))
    values = {"optimizer": value_name("optimizer", row.optimizer), "spread": 100 * row.sd, "needed": needed}
    print(text("With the spread of study B, {optimizer}: {spread:.0f} points, so about {needed} seeds.", **values))

# %% [markdown]
# ## What you have seen
#
# - A fair comparison is paired, fresh, held out, repeated and tuned, and its rules are written before its runs.
# - One untuned setting can show a gain, and another one none.
# - On these images GC trains faster at the rate that fits best with it (1e-3), and not at 3.2e-4. By the rule, the held-out accuracy is lower with
#   GC at 3.2e-4, for these horses and humans only; at 1e-3 it is higher (not tested by a rule).
# - A gain like that of the Keras example needs no GC: training the same model twice is enough.
#
# Next: [6. Your own images](06_your_own_images.ipynb). What follows for your own project: [9. Should you use it?](09_should_you_use_it.ipynb)
