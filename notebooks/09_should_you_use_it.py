# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 9. Should you use it?
#
# **Decide whether gradient centralization is worth it for you: what tuning changes, what holds on other data and networks, what it costs,
# what others found, and a table of cases in which each answer is computed from the results.**
#
# Takes about one minute on two processor cores; no GPU needed. Nothing is trained here.
#
# [Open in Colab](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/09_should_you_use_it.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/09_should_you_use_it.ipynb) · [Open in Kaggle](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/09_should_you_use_it.ipynb) · [Open in Codespaces](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [Read in nbviewer](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/09_should_you_use_it.ipynb) · [日本語](ja/09_should_you_use_it.ipynb)
#
# In this notebook you will
#
# - read a short answer about gradient centralization (GC), and see which studies it rests on;
# - weigh its cost, the results of others, and the places where it hurts;
# - read a table of decisions, and run the same study on your own images.

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

# %% [markdown]
# ## The short answer
#
# If you train a small network from new weights, for a short time, and want a faster fit, try GC. With a ready-made class it is one line, and easy to
# remove. Tune the learning rate with it and without it; often the same rate is best. After 12 epochs the training loss was lower with GC in every setting of
# studies B and C, and by their rules GC trains faster in general, in trainings like these. After 36 and 40 epochs the results differ (below). The
# accuracy on new data may rise or fall: it is shown to be higher in half of the settings of C and lower in none, but lower in both settings of B at
# 3.2e-4, for its horses and humans only (higher at 1e-3, outside the rules). So no study here makes a general claim about it. Do not expect a gain where nearly all answers are right already. For fine-tuning the results are
# inconclusive.
#
# This rests above all on studies B and C. B has *Horses or Humans*, the plain CNN (that of [notebook 3](03_cnn.ipynb)), RMSprop and Adam, and
# 60 seeds. C has five small data sets, CNNs with and without batch normalization, a small transformer, and AdamW with weight decay, and asks in
# each setting whether GC helps. A *setting* is one network on one data set. *Helps* and *hurts* mean that the 95% interval of the difference
# excludes zero and that the correction for several tests keeps it. The *clean* training loss is measured without dropout and augmentation. The
# *primary family* is the plain CNN (on digits and MNIST-1D the small CNN), once on each data set. This is what the rules found:

# %%
from gc_tutorial.study.published import published

plans = {
    "A": "A_tuning",
    "B": "B_confirmation",
    "B2": "B2_lower_rate",
    "C": "C_generality",
    "D": "D_mechanism",
    "D2": "D2_mechanism_sgd",
    "E": "E_recipe",
}
studies = {letter: published(plan) for letter, plan in plans.items()}
found = {letter: study.findings() for letter, study in studies.items()}

# %%
from gc_tutorial import text
from gc_tutorial.language import sentences
from gc_tutorial.study.evidence.result_rows import counted_settings, counted_speed, general_claims
from IPython.display import Markdown

COUNTS = {"speed": counted_speed}
groups = {
    ("C", "training"): text("Training loss, from new weights:"),
    ("C", "heldout"): text("Held-out accuracy, from new weights:"),
    ("C", "fine_tuning"): text("Held-out accuracy, fine-tuning:"),
    ("C", "speed"): text("Speed, in epochs to the same training loss:"),
    ("B", "training"): text("Training loss on *Horses or Humans* (study B):"),
    ("B", "heldout"): text("Held-out accuracy on *Horses or Humans* (study B):"),
    ("B", "speed"): text("Speed on *Horses or Humans* (study B):"),
}
lines = [
    f"- **{group}** "
    + sentences([COUNTS.get(rule, counted_settings)(found[letter][rule]), *general_claims(found[letter][rule])])
    for (letter, rule), group in groups.items()
]
Markdown("\n".join(lines))

# %% [markdown]
# Five things limit this:
#
# - **The learning rate.** In study B, at 1e-3, where GC fits best, it trains faster, and its held-out accuracy is higher by 3.4 (RMSprop) and 2.8
#   points (Adam; outside the rules). At 3.2e-4, which the held-out loss chooses, it does not train faster, and by the rule the accuracy is lower
#   ([notebook 5](05_comparison.ipynb)). Five tuning seeds cannot choose a rate for held-out images with certainty: on the 60 fresh seeds RMSprop
#   with GC has a lower held-out loss at 1e-3 (0.54) than at the chosen rate (0.57). With Adam the chosen rate is the better one (0.56; 0.58 at
#   1e-3).
# - **Short trainings.** All settings use RMSprop, Adam or AdamW, batches of 32 and a constant rate, tuned for 12 epochs (20 for fine-tuning). Without
#   GC some networks had hardly begun to learn after 12 epochs. So some settings show a faster start, but none shows a better network after
#   a long training. Two longer trainings exist, with five seeds each (below). After 36 epochs the training loss with GC was lower for SGD, and the
#   result was inconclusive for RMSprop and Adam. After 40 epochs of the published recipe it was a little higher.
# - **Little learned.** Five of the six gains of accuracy are on photographs, of which these networks have learned little (*Elsewhere*, below, has
#   the numbers). On digits and MNIST-1D, where nearly all answers are right, the accuracy changes by less than one point. In one
#   of these settings the held-out *loss* is higher with GC (*Where it hurts*, below).
# - **Batch normalization.** There, the held-out accuracy and the clean training loss are measured with averages over past batches, which lag behind
#   in a short training ([notebook 8](08_why_it_works.ipynb)). Part of what GC gains may be a smaller lag. The running training loss does not
#   use these averages, and GC lowers it by less than the clean loss in each of the four settings. On digits and MNIST-1D this is so without batch
#   normalization, too, so there the lag cannot be the only reason.
# - **Few seeds and data sets.** Each setting of study C has ten seeds. Its learning rates were tuned on three others, and each rate of the grid is about 3.2 times the
#   one before. The 12 settings share five data sets and the ten seeds, so they are not 12 independent results. Each seed splits the same examples anew, so
#   the training sets overlap. The intervals ignore this, so for new examples they are too narrow. Study B has 60
#   seeds, but images of *Horses or Humans* alone.
#
# A gain on your data is known only after you compare on *your* held-out data, with the learning rate tuned for both and with several seeds. The
# last section shows how. Before that, tune the learning rate, the scale of the inputs, the augmentation and the length of training.
#
# ## What has been measured
#
# Some words first. Each method in a comparison is an *arm*. *Held-out* images are not used for training. *Published* means the [Keras
# example of GC](https://keras.io/examples/vision/gradient_centralization/) as last modified on 2023-07-25.
#
# Each planned study asks one question. It has a plan with its learning rates, its seeds, and rules that say which numbers count as "helps",
# "hurts" or "no practical difference". The rules were written before the runs that they judge; the
# [results](../gc_tutorial/study/results/README.md) give the dates of the commits and list the exceptions. Each loss and accuracy is the mean of the
# last three epochs, unless its rule says otherwise.

# %%
lines = [f"- **{text(study.plan.title)}** {study.state[:1].upper()}{study.state[1:]}" for study in studies.values()]
Markdown("\n".join(lines))

# %% [markdown]
# Two studies on fresh seeds, D (RMSprop) and D2 (SGD), ask why GC works ([notebook 8](08_why_it_works.ipynb)). For this they train with and
# without GC at one learning rate, the one that study A found best *without* GC, with images of 94 pixels:

# %%
from gc_tutorial.study.evidence.synthesis import at_one_rate

one_rate = at_one_rate(found["D"]) + at_one_rate(found["D2"], "sgd")
Markdown("\n".join(f"- {said}" for said in one_rate))

# %% [markdown]
# The training loss is what these studies ask about. The held-out accuracy is a secondary outcome: their plans give its sign and its interval, and
# make no claim from it. A training loss near 0.69, that of a guess, says that twelve epochs are few at this rate.

# %%
from gc_tutorial.study.evidence.result_rows import result_rows


def show_results(letter, rules):
    """A row for each rule and setting."""
    columns = [text("outcome"), text("setting"), text("GC minus no GC (95% interval)"), text("seeds"), text("word")]
    return result_rows(found[letter], rules).set_axis(columns, axis=1).set_index(columns[:2])


def say_results(letter, rules):
    """What the rules of a study found, in their own words."""
    lines = [found[letter][rule].bullets(text("{name}:", name=name)) for rule, name in rules.items()]
    return Markdown("\n".join(lines))


# %% [markdown]
# ## Without tuning
#
# The first studies compared GC and no GC at one learning rate that was not tuned. They are complete, and
# [notebook 5](05_comparison.ipynb) shows them. Their held-out images stand on white backgrounds, unlike the training images.

# %%
import pandas as pd
from gc_tutorial.study.analysis import OUTCOMES, load_study, paired_differences, verdict

untuned = {
    text("RMSprop at 1e-3"): load_study("rmsprop"),
    text("SGD at 0.01"): load_study("sgd"),
    text("published recipe, RMSprop at 1e-4"): load_study("published_recipe"),
}
rows = pd.concat([paired_differences(table).assign(study=name) for name, table in untuned.items()])
rows = rows[rows["arm"] == "gradient"]
lines = [
    text(
        "- **{study}**, {outcome}: {verdict}.",
        study=row.study,
        outcome=OUTCOMES[row.outcome],
        verdict=verdict(row._asdict()),
    )
    for row in rows[rows["outcome"].isin(["train_loss", "test_accuracy"])].itertuples()
]
Markdown("\n".join(lines))

# %% [markdown]
# ## What tuning changes
#
# An arm can look better at an untuned rate because it forgives a poor rate, or because its steps are larger. Study A tries seven
# learning rates for each arm. The figure asks what a tuning budget buys: draw some rates of the grid at random, train with each, and
# keep the best. It describes five tuning seeds, and no claim about GC is made from it. With few rates a single run can decide it: a
# loss that explodes at a high rate raises the mean over seeds a lot.

# %%
from gc_tutorial.study.evidence import budget_figure
from gc_tutorial.study.evidence.names import ARMS
from gc_tutorial.study.evidence.tuning import best_of_k

tuning = studies["A"].runs
tuning = tuning[tuning["epochs"] == 12].sort_values("arm", key=lambda arms: arms.map(list(ARMS).index))
expected = best_of_k(tuning.sort_values("optimizer", key=lambda names: names != "rmsprop", kind="stable"))
print(studies["A"].progress)

# %% tags=["hide-input"]
from gc_tutorial.plotting import show

title = text("Expected best training loss, by the number of learning rates tried (5 tuning seeds)")
show(budget_figure.budget(expected, title=title), alt=budget_figure.budget_alt(expected))

# %%
each = [budget_figure.budget_finding(part) for _, part in expected.groupby("optimizer", sort=False)]
Markdown("\n".join("- " + text("{finding}.", finding=finding) for finding in each))

# %% [markdown]
# How often did the loss explode, at any rate of the grid?

# %%
exploded = tuning[tuning["diverged"] | (tuning["clean_loss"] > 1)].groupby("arm")["run"].nunique()
for arm, count in tuning.groupby("arm", sort=False)["run"].nunique().items():
    print(
        text(
            "{arm}: {bad} of {count} runs diverged or ended with a loss above 1",
            arm=ARMS[arm],
            bad=exploded.get(arm, 0),
            count=count,
        )
    )

# %% [markdown]
# These are too few to compare the arms by.
#
# Does the gain last? Study A also trained for 36 epochs, each arm at its best rate:

# %%
from gc_tutorial.study.evidence.names import value_name
from gc_tutorial.study.evidence.pairs import best_pairs, compare_pairs
from gc_tutorial.study.evidence.wording import amount

longer = studies["A"].runs[studies["A"].runs["epochs"] == 36]
longer = best_pairs(longer, by="heldout_loss", tuning=longer, stage="tuning")
accuracies = [
    text(
        "{optimizer} {said}",
        optimizer=value_name("optimizer", row.optimizer),
        said=amount(row.difference, row.t_low, row.t_high, row.outcome),
    )
    for row in compare_pairs(longer, "heldout_accuracy", corrected=False).itertuples()
]
outside = text("Outside the rules: held-out accuracy with GC, {said}.", said=text("; ").join(accuracies))
Markdown(found["A"]["longer"].bullets(text("After 36 epochs:")) + "\n\n" + outside)

# %% [markdown]
# Study B trains no GC and GC on the gradient, each at its best rate, with RMSprop and Adam, on 60 fresh seeds and with images of 150 pixels. Its held-out
# images are of the same kind as the training images, and show rendered horses and humans that the network has never seen. B also asks
# two more things: whether GC gets to the same training loss in fewer epochs, and whether a better rate without GC gets there, too.

# %%
show_results(
    "B",
    {
        "training": text("training loss"),
        "heldout": text("held-out accuracy, same kind"),
        "shifted": text("accuracy, images on white"),
    },
)

# %% [markdown]
# A dagger (†) marks a setting in which a best rate lies at the edge of its grid. (Plan B2 finds the next lower rate, 1e-4, worse for both arms.)
# For Adam without GC the tuning chose a rate that is not the better one on the 60 seeds; [notebook 5](05_comparison.ipynb) compares both arms at one rate. The goal by which speed is measured is set without GC: it is the
# mean running training loss that training without GC reaches, at its best rate and on the tuning seeds, after two thirds of the epochs.

# %%
say_results("B", {"speed": text("Speed, best against best"), "learning_rate": text("Is GC a larger step")})

# %% [markdown]
# ## Elsewhere
#
# Study C takes GC to photographs (cats and dogs, five flowers), to digits and to one-dimensional signals (MNIST-1D), with and without batch
# normalization, to a small transformer, and to AdamW with weight decay. It also fine-tunes: the network is trained on cats and dogs first, and
# then on 100 or 200 images of horses and humans. Each arm has its own rate, tuned on three seeds, and ten fresh seeds. On
# photographs that is enough for large effects only.

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.forest_figure import forest, forest_alt


def show_forest(rule):
    """Draw GC against no GC in each setting of study C."""
    show(forest(found["C"][rule].table), alt=forest_alt(found["C"][rule].table))


show_forest("training")

# %% tags=["hide-input"]
show_forest("heldout")

# %% tags=["hide-input"]
show_forest("fine_tuning")

# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title The numbers behind the figures
show_results(
    "C",
    {
        "training": text("training loss"),
        "training_running": text("running training loss"),
        "heldout": text("held-out accuracy"),
        "fine_tuning": text("held-out accuracy after fine-tuning"),
    },
)

# %% [markdown]
# How good are these networks? On the photographs they have 12 epochs with 1,000 images, from new weights, and stay far from what such
# a set allows:

# %%
from gc_tutorial.study.evidence.result_rows import short_names

photographs = found["C"]["heldout"].table.query("data in ['cats_and_dogs', 'flowers']")
lines = [
    text("- {name}: held-out accuracy {without:.0%} without GC, {gc:.0%} with it", name=name, without=without, gc=gc)
    for name, without, gc in zip(short_names(photographs), photographs["mean_baseline"], photographs["mean"])
]
Markdown("\n".join(lines) + "\n\n" + text("A guess is right in 50% (cats and dogs) and 20% (flowers) of images."))

# %% [markdown]
# What holds in general? The rules ask it of the speed and of the held-out accuracy, for the plain CNN and the small CNN only:

# %%
from gc_tutorial.study.evidence.synthesis import faster_in_general

asked = {"speed": text("Speed in general"), "heldout": text("Held-out accuracy in general")}
claims = {rule: general_claims(found["C"][rule]) for rule in asked}
claims["speed"] += faster_in_general(found["B"], found["C"])
lines = [text("- **{name}:** {said}", name=asked[rule], said=sentences(said)) for rule, said in claims.items()]
Markdown("\n".join(lines))

# %% [markdown]
# One check is outside the rules, and stricter than they are. The seeds of a setting train on overlapping sets of the same examples, so an interval over
# seeds is too narrow for new examples. A correction by Nadeau and Bengio (2003, *Machine Learning* 52) adds to the variance what the
# overlap hides. In how many of the settings in which GC helps does the result survive?

# %%
from gc_tutorial.study.evidence.result_rows import kept_for_new_examples

kept = [
    text("- Study {letter}: {said}", letter=letter, said=kept_for_new_examples(found[letter][rule]))
    for letter in ("C", "B")
    for rule in ("training", "heldout")
]
Markdown("\n".join(kept))

# %% [markdown]
# C asks two more questions, as differences of differences: the effect in one setting minus the effect in the other, in the same seed. Is the
# effect smaller with batch normalization? (An answer counts only where both measures of the training loss agree.) And does GC replace weight
# decay?

# %%
say_results(
    "C",
    {
        "batch_normalization": text("Batch normalization, clean loss"),
        "batch_normalization_running": text("Batch normalization, running loss"),
        "weight_decay": text("Weight decay"),
    },
)

# %% [markdown]
# On the images of horses and humans, batch normalization was also a condition of D and D2:

# %%
from gc_tutorial.study.evidence.wording import changed_amount

effects = {letter: found[letter]["common_shift_running"].table for letter in ("D", "D2")}
effects = {letter: table[table["factor"] == "network"].iloc[0]["effect_second"] for letter, table in effects.items()}
said = {letter: changed_amount(-effect, "train_loss", "log") for letter, effect in effects.items()}
Markdown(
    text(
        "With batch normalization and GC the running training loss is {rmsprop} with RMSprop (D), and {sgd} with SGD (D2), each arm at its own "
        "tuned rate.",
        rmsprop=said["D"],
        sgd=said["D2"],
    )
)

# %% [markdown]
# ## What it costs
#
# GC reads each gradient once more, to take its mean. How much that is depends on the rest of the training step. We measured neither how much
# memory it takes nor what it costs on a GPU.

# %%
from gc_tutorial.study.cost import cost_finding, cost_rows, measured_costs

costs = measured_costs()
Markdown(cost_finding(costs))

# %% [markdown]
# The table holds the ratio to a step without GC, in processor seconds: the median and its 95% interval, on a processor with two cores, in
# batches of 32 (TensorFlow) or 4 (JAX, PyTorch).

# %%
cost_rows(costs)

# %% [markdown]
# ## Where it hurts
#
# Here is every result of a rule of the planned studies by which GC hurts. (Those of study B are at 3.2e-4 and hold for its horses and humans only.
# The images on white are a secondary outcome.) (*Epoch 40* is the published recipe, trained for 40 epochs.) The lines
# after them are outside the rules: the clean loss at the end of the same runs and their accuracy on the images on white, and the held-out
# *loss* in study C, without a correction for several tests.

# %%
from gc_tutorial.study.evidence.decisions import harms
from gc_tutorial.study.evidence.intervals import estimate

hurting = harms(found)
last = studies["E"].table.query("epoch > 37").groupby(["arm", "seed"])[["clean_loss", "shifted_accuracy"]].mean()
late = {outcome: estimate(last.loc["gradient", outcome] - last.loc["none", outcome]) for outcome in last}
late = {name: amount(one["difference"], one["t_low"], one["t_high"], name) for name, one in late.items()}
losses = compare_pairs(best_pairs(studies["C"].runs, by="heldout_loss"), "heldout_loss", scale="log", corrected=False)
counts = {"lower": (losses["t_high"] < 0).sum(), "higher": (losses["t_low"] > 0).sum(), "count": len(losses)}
losses = losses.assign(name=short_names(losses)).query("t_low > 0")
higher = [
    text("{name} {said}", name=row.name, said=amount(row.difference, row.t_low, row.t_high, row.outcome, scale="log"))
    for row in losses.itertuples()
]
Markdown(
    "\n".join(f"- {sentence}" for sentence in hurting)
    + "\n\n"
    + text(
        "Outside the rules: study E, epochs 38 to 40, clean training loss {loss}, accuracy on the images on white {accuracy}.",
        loss=late["clean_loss"],
        accuracy=late["shifted_accuracy"],
    )
    + "\n\n"
    + text(
        "Outside the rules: study C, held-out loss shown to be higher in {higher} of {count} settings ({settings}), and lower in "
        "{lower}.",
        settings=text("; ").join(higher),
        **counts,
    )
)

# %% [markdown]
# ## What others found
#
# None of these results is ours, and we repeated none. The paper reports gains on ImageNet and COCO, and on smaller sets of fine-grained classes. The independent reports that we found
# (searched on 2026-11-24) are few, small, and mostly without repeated seeds.
#
# | source | what was measured | without GC | with GC |
# | --- | --- | --- | --- |
# | [Yong et al. 2020](https://arxiv.org/abs/2004.01461) | top-1 error on ImageNet, ResNet-50 with batch normalization | 23.71% | 23.21% |
# | the same | ResNet-50 with group normalization | 24.50% | 23.53% |
# | the same | ResNet-101 with batch normalization; with group normalization | 22.37%; 23.34% | 21.82%; 22.14% |
# | the same | accuracy on fine-grained sets: aircraft; cars; dogs; birds | 86.62%; 88.66%; 76.16%; 82.07% | 87.77%; 90.03%; 78.23%; 83.40% |
# | the same | detection on COCO, Faster R-CNN with ResNet-50 (AP) | 36.4 | 37.0 |
# | a user, 2020-09-25, [issue 11](https://github.com/Yonghongwei/Gradient-Centralization/issues/11) of the paper's code | FER2013, ResNet-18, SGD: no gain and no faster fit | about 72% | about the same, or even lower |
# | the same user, 2020-11-06 | FER2013, a network of 50 layers | about 72% | 0.1 to 0.2 points more |
# | a user, 2020-08-05, [issue 39](https://github.com/lessw2020/Ranger-Deep-Learning-Optimizer/issues/39) of Ranger | private data, Ranger: improved, but overfitted more easily | no figures | no figures |
# | the project senpai, 2026-04-04, [pull request 2114](https://github.com/wandb/senpai/pull/2114), one of several there | air flow around wings, Lion, validation loss of two seeds (lower is better: with GC it is worse) | 0.388; 0.392 | 0.460; 0.422 |
#
# **The Keras example** is no evidence for GC or against it. As last modified on 2023-07-25 it reported a loss of 0.5346 without GC and
# 0.4014 with it. Both trainings used the same model, one after the other, and under Keras 3 its GC never runs ([notebook
# 4](04_gradient_centralization.ipynb) says who found this and when, [notebook 5](05_comparison.ipynb) repeats the gain without GC).
#
# ## The table of decisions
#
# For each case: does GC lower the training loss, and does it raise the held-out accuracy? A cell computes each answer from the rules.
# *Yes* means that it helps in every setting measured. In the cases of study C each arm has its own tuned rate. The row on the rate that is best
# without GC rests on RMSprop and SGD: with Adam at 3.2e-4, which study B chose without GC, the training loss is higher with GC by 0.028 (0.017 to
# 0.040; outside the rules). In the row on *Horses or Humans* the loss with GC is that at 1e-3, and the accuracy that at 3.2e-4. With batch normalization the training
# loss is the running one, because the clean one is measured with averages that lag behind. *Not shown* means that no setting shows an effect, and that at least one is
# inconclusive. *The margin* is what the rule of a study calls a difference without practical meaning: 2 points of accuracy, and of training loss
# 0.02 nats (A and B; a nat is the unit of the loss), 5% (C) or 0.03 nats (E). All of it is about the networks and images of these studies. Large networks, long trainings, text and
# tables were not measured.

# %%
from gc_tutorial.study.analysis import verdict_word
from gc_tutorial.study.evidence.decisions import decision_table

words = [
    [verdict_word(row._asdict()) for row in rows[rows["outcome"] == outcome].itertuples()]
    for outcome in ("train_loss", "test_accuracy")
]
table = decision_table(found, tuple(words))
names = {
    "case": text("if"),
    "training": text("lower training loss?"),
    "heldout": text("higher held-out accuracy?"),
    "action": text("what to do"),
    "rests_on": text("rests on"),
}
table[list(names)].rename(columns=names).set_index(names["case"])

# %% [markdown]
# Which kind of GC? With SGD, use the default, GC on the gradient. With RMSprop and Adam the studies on fresh seeds train GC on the gradient, too,
# and what they find is about that; only the tuning of study A tried the update. The paper's authors suggest the update there; which of the two is better we cannot say ([notebook 7](07_any_optimizer.ipynb)).
#
# ## The same study on your images
#
# A plan is a text file. The one below tunes three learning rates on five seeds for each arm, takes the best of each arm to ten fresh
# seeds, and asks one question. Ten seeds show large effects only: with the spread of study A, their interval reaches about six points of accuracy to either side. If a best rate is the lowest or the highest of the three, add a rate and run the command again. `data` is `tfds:NAME` for any image classification set of
# [TensorFlow Datasets](https://www.tensorflow.org/datasets/catalog/overview), such as `tfds:beans`: photographs of bean leaves, healthy or ill.

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

from gc_tutorial.study.plan import read_plan

MY_PLAN = """
title = "GC on images of bean leaves"

[seeds]
tuning = [100, 101, 102, 103, 104]
confirmation = [200, 201, 202, 203, 204, 205, 206, 207, 208, 209]

[factors]
data = "tfds:beans"
network = "cnn"
optimizer = "adam"
augmentation = "mild"
epochs = 12
image_size = 94
arm = ["none", "gradient"]

[[runs]]
learning_rate = [3.16e-4, 1e-3, 3.16e-3]

[[runs]]
stage = "confirmation"
learning_rate = { tuned = "heldout_loss" }

[rules.heldout]
kind = "difference"
text = "Held-out accuracy, best against best."
outcome = "heldout_accuracy"
by = "heldout_loss"
margin = 0.02
"""


def count_runs(plan_text):
    """How many runs a plan has: those known now, and those whose rates the tuning chooses."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "my_plan.toml")
        path.write_text(plan_text)
        plan = read_plan(str(path))
    return len(plan.runs), len(plan.tuned)


tuning_runs, tuned_runs = count_runs(MY_PLAN)
print(text("tuning runs and runs at tuned rates: {tuning} {tuned}", tuning=tuning_runs, tuned=tuned_runs))

# %% [markdown]
# Save it as `my_plan.toml`, and run one command. (Several workers need the extra `[study]`: `pip install distributed`. Without it, leave out
# `--workers 2`.)
#
# ```sh
# python -m gc_tutorial study my_plan.toml my_runs --workers 2
# ```
#
# For images of your own, put the folder `my_pictures` (or `my_pictures.zip`) into a folder `pictures`, write `data = "my_pictures"`, and
# add `--images pictures` to the command. [Notebook 6](06_your_own_images.ipynb) says what such a folder looks like. A study
# ignores a split into `train` and `test`: it puts all images together and holds out a fifth of them, another fifth for each seed.
#
# Every finished run is kept, and the same command picks up where it stopped. `--dry-run` lists the runs and trains nothing; once some runs have
# ended, it also estimates the time that is left.
# With `--scheduler` the runs go to a Dask cluster; the [README](../README.md#run-a-study) has the lines for that. Afterwards, this prints
# what the rule found:
#
# ```sh
# python -m gc_tutorial tables my_plan.toml my_runs my_tables
# ```
#
# ```python
# from gc_tutorial.study.evidence.findings import findings
# from gc_tutorial.study.plan import read_plan
# from gc_tutorial.study.tables import load_table
#
# for one in findings(read_plan("my_plan.toml").rules, load_table("my_tables")):
#     print(one.found)
# ```
#
# For a network of your own, compare in your own training script. Write the optimizer as `centralized(Optimizer)(..., centralize=mode)` with the mode
# `None` and `"gradient"`. For each seed call `keras.utils.set_random_seed(seed)`, build a new model, and train it on the same batches. Do this for
# a few seeds at three or more learning rates for each mode, take the best rate of each mode to at least ten new seeds, and report the mean of the
# paired differences with its interval.
#
# If a set holds equal images, they stay together in the split. But several views of one thing, such as frames of one film, must
# not be on both sides either, and the command cannot know which they are.
#
# ## Exercise
#
# You want to know whether GC helps a network with batch normalization (`cnn_bn`) on your images, and you can afford 60 runs. Change `MY_PLAN`
# so that it asks that, and count its runs. What did you give up?
#
# The next cell is the solution. It is folded: try first, then open it.

# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title Solution
mine = MY_PLAN.replace('network = "cnn"', 'network = "cnn_bn"')
mine = mine.replace("[3.16e-4, 1e-3, 3.16e-3]", "[5e-4, 1e-3, 2e-3, 4e-3]")
tuning_runs, tuned_runs = count_runs(mine)
print(
    text(
        "Answer: with `cnn_bn` and four rates the plan has {tuning} + {tuned} = {total} runs. You give up the\n"
        "plain CNN, so the plan cannot say whether the effect is smaller with batch normalization. For that both networks must be "
        "in one\n"
        "plan, with a rule of the kind `interaction`, as in `gc_tutorial/study/plans/C_generality.toml`.",
        tuning=tuning_runs,
        tuned=tuned_runs,
        total=tuning_runs + tuned_runs,
    )
)

# %% [markdown]
# ## What you have seen
#
# - What the planned studies have found, with tuned rates and elsewhere, and what stays unknown.
# - The cost of GC, every result by which it hurts, and what others reported, with dates.
# - A table of decisions that is computed from the rules, and a command that runs the same study on your images.
#
# Back to [1. The images](01_data.ipynb), or to [8. Why it works](08_why_it_works.ipynb). The [frequently asked questions](../docs/faq.md) have short
# answers.
