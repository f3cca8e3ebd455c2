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
# Takes less than a minute on two processor cores; no GPU needed. Nothing is trained here.
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
# Try GC if you train a small network from scratch, for about a dozen epochs, and want a lower training loss: in studies B and C it was lower in
# every setting. Do not count on a better accuracy on new data. It was significantly higher in half of the settings of study C and significantly
# lower in none; in study B it rose or fell with the learning rate. For longer training and for fine-tuning we cannot say. With a ready-made class
# GC costs one line. Where we measured it, on a processor, a training step took a few percent longer at most. Tune the learning rate with it.

# %% [markdown]
# ## What has been measured
#
# Each planned study asks one question. It has a plan with its learning rates, its seeds, and rules that say which numbers count as "helps",
# "hurts" or "no practical difference". The rules were written before the runs that they judge; the
# [results](../gc_tutorial/study/results/README.md) give the dates of the commits and list the exceptions.

# %% tags=["hide-input"]
from gc_tutorial import text
from gc_tutorial.study.published import published
from IPython.display import Markdown

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
lines = [f"- **{text(study.plan.title)}** {study.state[:1].upper()}{study.state[1:]}" for study in studies.values()]
Markdown("\n".join(lines))

# %% [markdown]
# The words of these studies:
#
# - Each thing that is compared, such as training without GC, is an *arm*. A *setting* is one network on one data set.
# - *Held-out* images are not used for training. An *individual* is one rendered horse or human; the training images of *Horses or Humans* show
#   67.
# - The *running* training loss is that of the training steps. The *clean* one is measured without dropout and augmentation. Each loss and
#   accuracy is the mean of the last three epochs, unless its rule says otherwise.
# - *Helps* and *hurts* mean that the 95% interval of the difference excludes zero and that the correction for several tests keeps it. Such a
#   difference is *significant*, or *shown*.
# - The *margin* is the largest difference that a rule treats as having no practical meaning. The line below the list gives the margins.
# - *Faster*: the goal is the mean running training loss that training without GC reaches, at its best rate, after two thirds of the
#   epochs. The factor says how many times as many epochs training without GC needs to get there.
# - The *main settings* are the plain CNN (on digits and MNIST-1D the small CNN), once on each data set.
# - *Not tested by a rule* marks a number that no rule asks for. It is a description, without a correction for several tests.
# - *Published* means the [Keras example of GC](https://keras.io/examples/vision/gradient_centralization/) as last modified on 2023-07-25.

# %% tags=["hide-input"]
margins = {
    "points": 100 * studies["C"].plan.rules["heldout"]["margin"],
    "nats": studies["B"].plan.rules["training"]["margin"],
    "percent": 100 * studies["C"].plan.rules["training"]["margin"],
    "recipe": studies["E"].plan.rules["too_few_steps"]["margin"],
}
said = (
    "Margins: {points:g} points of accuracy; of the training loss {nats:g} nats (studies A and B; a nat is the unit of the loss), "
    "{percent:g}% (C) or {recipe:g} nats (E)."
)
Markdown(text(said, **margins))

# %% [markdown]
# The answer rests above all on studies B and C. B has *Horses or Humans*, the plain CNN (that of [notebook 3](03_cnn.ipynb)), RMSprop and
# Adam, and 60 seeds. C has five small data sets, CNNs with and without batch normalization, a small transformer, AdamW with weight decay,
# and ten seeds in each setting. In both, each arm has its own best learning rate, and the training loss is the clean one. This is what their rules found:

# %% tags=["hide-input"]
from gc_tutorial.language import sentences
from gc_tutorial.study.evidence.result_rows import counted_settings, counted_speed, general_claims
from gc_tutorial.study.evidence.speed_rows import speed_limits


def counted(finding):
    """In how many settings GC helps, hurts or is faster, and what the rule says in general."""
    speed = finding.name == "speed"
    said = [counted_speed(finding), *speed_limits(finding)] if speed else [counted_settings(finding)]
    return sentences([*said, *general_claims(finding)])


groups = {
    ("C", "training"): text("Training loss, from scratch:"),
    ("C", "heldout"): text("Held-out accuracy, from scratch:"),
    ("C", "fine_tuning"): text("Held-out accuracy, fine-tuning:"),
    ("C", "speed"): text("Speed, in epochs to the same training loss:"),
    ("B", "training"): text("Training loss on *Horses or Humans* (study B):"),
    ("B", "heldout"): text("Held-out accuracy on *Horses or Humans* (study B):"),
    ("B", "speed"): text("Speed on *Horses or Humans* (study B):"),
}
Markdown("\n".join(f"- **{group}** {counted(found[letter][rule])}" for (letter, rule), group in groups.items()))

# %% [markdown]
# Five things limit this:
#
# - **The learning rate.** In study B the answers depend on it. At 1e-3, where GC fits best, it trains faster and its held-out accuracy is
#   higher (the accuracy is not tested by a rule). At 3.2e-4, which the held-out loss chooses, it does not train faster, and by the rule the
#   accuracy is lower. *What tuning changes*, below, has the numbers. Five tuning seeds cannot choose a rate for held-out images with certainty.
# - **Short training.** All settings use RMSprop, Adam or AdamW, batches of 32 and a constant rate, tuned for 12 epochs (20 for fine-tuning).
#   Without GC some networks had hardly begun to learn after 12 epochs. So some settings show a faster start, but none shows a better network
#   after a long training. Two longer sets of runs exist, with five seeds each (below). After 36 epochs the training loss with GC was lower for
#   SGD, and the result was inconclusive for RMSprop and Adam. After 40 epochs of the published recipe it was a little higher.
# - **Little learned.** Five of the six gains of accuracy are on photographs, of which these networks have learned little (*Elsewhere*, below, has
#   the numbers). On digits and MNIST-1D, where nearly all answers are right, the accuracy changes by less than one point. In one
#   of these settings the held-out *loss* is higher with GC (*Where it hurts*, below).
# - **Batch normalization.** There, the held-out accuracy and the clean training loss are measured with averages over past batches, which lag behind
#   in a short training ([notebook 8](08_why_it_works.ipynb)). Part of what GC gains may be a smaller lag. The running training loss does not
#   use these averages, and GC lowers it by less than the clean loss in each of the four settings. On digits and MNIST-1D this is so without batch
#   normalization, too, so there the lag cannot be the only reason.
# - **Few seeds and data sets.** Each setting of study C has ten seeds. Its learning rates were tuned on three others, and each rate of the grid is
#   about 3.2 times the one before. The 12 settings share five data sets and the ten seeds, so they are not 12 independent results. Each seed
#   splits the same examples anew, so the training sets overlap. The intervals ignore this, so for new examples they are too narrow. Study B has
#   60 seeds, but images of *Horses or Humans* alone.
#
# A gain on your data is known only after you compare on *your* held-out data, with the learning rate tuned for both and with several seeds. The
# last section shows how. Before that, tune the learning rate, the scale of the inputs, the augmentation and the length of training.

# %% [markdown]
# ### At one rate for both
#
# Two studies on fresh seeds, D (RMSprop) and D2 (SGD), ask why GC works ([notebook 8](08_why_it_works.ipynb)). For this they train with and
# without GC at one learning rate, the one that study A found best *without* GC, with images of 94 pixels:

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.synthesis import at_one_rate

one_rate = at_one_rate(found["D"]) + at_one_rate(found["D2"], "sgd")
Markdown("\n".join(f"- {said}" for said in one_rate))

# %% [markdown]
# The training loss is what these studies ask about. The held-out accuracy is a secondary outcome: their plans give its sign and its interval, and
# make no claim from it. A training loss near 0.69, that of guessing, says that twelve epochs are few at this rate.

# %%
import pandas as pd
from gc_tutorial.study.evidence.result_rows import result_rows

pd.set_option("display.max_colwidth", None)  # whole sentences


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
# The first, untuned studies compared GC and no GC at one learning rate. They are complete, and [notebook 5](05_comparison.ipynb) shows them.
# Their held-out images stand on white backgrounds, unlike the training images.

# %% tags=["hide-input"]
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

# %% tags=["hide-input"]
each = [budget_figure.budget_finding(part) for _, part in expected.groupby("optimizer", sort=False)]
Markdown("\n".join("- " + text("{finding}.", finding=finding) for finding in each))

# %% [markdown]
# How often did the loss explode, at any rate of the grid?

# %% tags=["hide-input"]
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

# %% tags=["hide-input"]
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
outside = text("Not tested by a rule: held-out accuracy with GC, {said}.", said=text("; ").join(accuracies))
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
# A dagger (†) marks a setting in which a best rate lies at the edge of its grid. Plan B2 finds the next lower rate, 1e-4, worse for both arms
# ([results](../gc_tutorial/study/results/README.md)).

# %% tags=["hide-input"]
say_results("B", {"speed": text("Speed, best against best"), "learning_rate": text("Is GC a larger step")})

# %% [markdown]
# ### At which rate?
#
# Training loss and held-out loss choose different rates in B. The next lines compare both arms at one rate, for each rate that B trained. The
# accuracy at 3.2e-4, and the speed of RMSprop at 1e-3, are results of the rules. The rest is not tested by a rule.
# [Notebook 5](05_comparison.ipynb) says more.

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.same_rates import same_rates
from gc_tutorial.study.evidence.wording import rate

goals = found["B"]["speed"].table.set_index("optimizer")["goal"]
at_rates = same_rates(studies["B"].table, studies["B"].runs, goals)
said = (
    "- {optimizer}, both arms at {rate}: held-out accuracy with GC {accuracy}; training without GC needs {ratio:.2f} times as many epochs "
    "({ratio_low:.2f} to {ratio_high:.2f})."
)
lines = [
    text(
        said,
        optimizer=value_name("optimizer", row["optimizer"]),
        rate=rate(row["learning_rate"]),
        accuracy=amount(
            *(row[f"heldout_accuracy_{end}"] for end in ("difference", "t_low", "t_high")), "heldout_accuracy"
        ),
        **{name: row[name] for name in ("ratio", "ratio_low", "ratio_high")},
    )
    for row in at_rates.to_dict("records")
]
Markdown("\n".join(lines))

# %% [markdown]
# Would the 60 fresh seeds have chosen the same rate for GC by held-out loss? The mean held-out loss with GC, not tested by a rule:

# %% tags=["hide-input"]
fresh = studies["B"].runs.query("stage == 'confirmation' and arm == 'gradient'")
chosen = found["B"]["heldout"].table.set_index("optimizer")["learning_rate"]
lines = []
for name, losses in fresh.groupby(["optimizer", "learning_rate"])["heldout_loss"].mean().groupby("optimizer"):
    losses = losses.droplevel("optimizer")
    each = [text("{loss:.2f} at {rate}", loss=loss, rate=rate(one)) for one, loss in losses.items()]
    values = {"optimizer": value_name("optimizer", name), "each": text("; ").join(each)}
    values |= {"chosen": rate(chosen[name]), "best": rate(losses.idxmin())}
    lines.append(
        text("- {optimizer}: {each}. The tuning chose {chosen}; the fresh seeds would choose {best}.", **values)
    )
Markdown("\n".join(lines))

# %% [markdown]
# ## Elsewhere
#
# Study C takes GC to photographs (cats and dogs, five flowers), to digits and to one-dimensional signals (MNIST-1D), with and without batch
# normalization, to a small transformer, and to AdamW with weight decay. It also fine-tunes: the network is trained on cats and dogs first, and
# then on 100 or 200 images of horses and humans. Each arm has its own rate, tuned on three seeds, and ten fresh seeds. With so few, the
# intervals of the accuracy on photographs are several points wide.

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
# How much faster? The next cell holds the speed of each setting: the goal, the factor, both learning rates, and the share of runs that never get
# to the goal.

# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title The speeds of study C
from gc_tutorial.study.evidence.speed_rows import speed_rows

names = {
    "setting": text("setting"),
    "goal": text("goal (running loss)"),
    "factor": text("times as many epochs without GC (95% interval)"),
    "rate": text("rate with GC"),
    "rate_baseline": text("rate without"),
    "missed": text("miss the goal with GC"),
    "missed_baseline": text("miss the goal without"),
    "word": text("word"),
}
speed_rows(found["C"]["speed"]).rename(columns=names).set_index(names["setting"])

# %% [markdown]
# How good are these networks? On the photographs they have 12 epochs with 1,000 images, from scratch, and stay far from what such a set allows.
# On digits and MNIST-1D nearly all answers are right:

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.result_rows import short_names

others = found["C"]["heldout"].table.query("data != 'horses_or_humans'")
lines = [
    text("- {name}: held-out accuracy {without:.0%} without GC, {gc:.0%} with it", name=name, without=without, gc=gc)
    for name, without, gc in zip(short_names(others), others["mean_baseline"], others["mean"])
]
guess = text("Guessing is right for 50% (cats and dogs), 20% (flowers) and 10% (digits, MNIST-1D).")
Markdown("\n".join(lines) + "\n\n" + guess)

# %% [markdown]
# What holds in general? The rules ask this about the speed and the held-out accuracy, in the main settings only:

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.synthesis import faster_in_general

asked = {"speed": text("Speed in general"), "heldout": text("Held-out accuracy in general")}
claims = {rule: general_claims(found["C"][rule]) for rule in asked}
claims["speed"] += faster_in_general(found["B"], found["C"])
lines = [text("- **{name}:** {said}", name=asked[rule], said=sentences(said)) for rule, said in claims.items()]
Markdown("\n".join(lines))

# %% [markdown]
# One check is stricter than the rules, and not part of them. The seeds of a setting train on overlapping sets of the same examples, so an interval
# over seeds is too narrow for new examples. A correction by Nadeau and Bengio (2003, *Machine Learning* 52) adds to the variance what the
# overlap hides. How many of the results survive this check?

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.result_rows import kept_for_new_examples

kept = [
    text("- Study {letter}: {said}", letter=letter, said=kept_for_new_examples(found[letter][rule]))
    for letter in ("C", "B")
    for rule in ("training", "heldout")
]
Markdown("\n".join(kept))

# %% [markdown]
# C asks two more questions, as differences of differences: the effect in one setting minus the effect in the other, in the same seed. Is the
# effect smaller with batch normalization? And does GC replace weight decay? The answer on batch normalization counts only where both measures of
# the training loss agree.

# %% tags=["hide-input"]
say_results(
    "C",
    {
        "batch_normalization": text("Batch normalization, clean loss"),
        "batch_normalization_running": text("Batch normalization, running loss"),
        "weight_decay": text("Weight decay"),
    },
)

# %% [markdown]
# On the images of horses and humans, D and D2 also trained with batch normalization:

# %% tags=["hide-input"]
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

# %% tags=["hide-input"]
from gc_tutorial.study.cost import cost_finding, cost_rows, measured_costs

costs = measured_costs()
Markdown(cost_finding(costs))

# %% [markdown]
# The table holds the ratio to a step without GC, in processor seconds: the median and its 95% interval, on two processors with two cores each
# (one for PyTorch), in batches of 32 (TensorFlow) or 4 (JAX, PyTorch). The intervals do not cover what differs between machines: other runs on
# PyTorch gave 2.0% to 3.6% for a transformer block with GC, and 4.9% to 5.5% with GC on the update.

# %%
cost_rows(costs)

# %% [markdown]
# ## Where it hurts
#
# Each result of a rule of the planned studies by which GC hurts:

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.decisions import harms

Markdown("\n".join(f"- {sentence}" for sentence in harms(found)))

# %% [markdown]
# Then two observations that no rule covers: the last epochs of the published recipe, and the held-out *loss* in study C.

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.intervals import estimate

last = studies["E"].table.query("epoch > 37").groupby(["arm", "seed"])[["clean_loss", "shifted_accuracy"]].mean()
late = {outcome: estimate(last.loc["gradient", outcome] - last.loc["none", outcome]) for outcome in last}
late = {name: amount(one["difference"], one["t_low"], one["t_high"], name) for name, one in late.items()}
said = (
    "Not tested by a rule: study E, epochs 38 to 40, clean training loss {loss}, accuracy on the images on white "
    "{accuracy}."
)
Markdown(text(said, loss=late["clean_loss"], accuracy=late["shifted_accuracy"]))

# %% tags=["hide-input"]
losses = compare_pairs(best_pairs(studies["C"].runs, by="heldout_loss"), "heldout_loss", scale="log", corrected=False)
counts = {"lower": (losses["t_high"] < 0).sum(), "higher": (losses["t_low"] > 0).sum(), "count": len(losses)}
higher = [
    text("{name} {said}", name=name, said=amount(row.difference, row.t_low, row.t_high, row.outcome, scale="log"))
    for name, row in zip(short_names(losses), losses.itertuples())
    if row.t_low > 0
]
said = (
    "Not tested by a rule: study C, held-out loss. Its 95% interval lies above zero in {higher} of {count} settings ({settings}), and "
    "below zero in {lower}."
)
Markdown(text(said, settings=text("; ").join(higher), **counts))

# %% [markdown]
# ## What others found
#
# None of these results is ours, and we repeated none. The paper reports gains on ImageNet and COCO, and on smaller sets of fine-grained classes.
# The independent reports that we found (searched on 2026-11-24 and 2026-11-29) are few, small, and mostly without repeated seeds.
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
# | a user, 2020-08-05, [issue 39](https://github.com/lessw2020/Ranger-Deep-Learning-Optimizer/issues/39) of Ranger | Ranger, on data that are not named: "further improvements", but "overtraining the train set more easily" | no figures | no figures |
# | the project senpai, 2026-04-04, [pull request 2114](https://github.com/wandb/senpai/pull/2114) | air flow around wings, Lion, validation loss of two seeds (lower is better: with GC it is worse) | 0.388; 0.392 | 0.460; 0.422 |
# | the same project, 2026-04-23, [pull request 3112](https://github.com/wandb/senpai/pull/3112) | air flow around cars, relative error against the best run of the project (lower is better: with GC it is worse, and the training diverges later) | 3.833% | 5.492% |
#
# Four more pull requests of senpai try GC: [276](https://github.com/wandb/senpai/pull/276), [437](https://github.com/wandb/senpai/pull/437),
# [1581](https://github.com/wandb/senpai/pull/1581) and [3034](https://github.com/wandb/senpai/pull/3034). All were closed without being merged. We
# could not see their results.
#
# **The Keras example** is no evidence for GC or against it. As last modified on 2023-07-25 it reported a loss of 0.5346 without GC and 0.4014
# with it. Both training runs used the same model, one after the other, and under Keras 3 its GC never runs ([notebook
# 4](04_gradient_centralization.ipynb) says who found this and when, [notebook 5](05_comparison.ipynb) repeats the gain without GC).

# %% [markdown]
# ## The table of decisions
#
# For each case: does GC lower the training loss, and does it raise the held-out accuracy? A cell computes each answer from the rules. In the cases
# of study C each arm has its own tuned rate.
#
# - *Yes* means that GC helps in every setting measured.
# - *Not shown* means that no setting shows an effect, and that at least one is inconclusive.
# - *Not asked* means that no rule asks for it.
#
# The rows start with your learning rate. Then come your network, your data and the length of your training. The last two are about the images
# of this tutorial.

# %% tags=["hide-input"]
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

# %% tags=["hide-input"]
(adam,) = at_rates.query("optimizer == 'adam'").nsmallest(1, "learning_rate").to_dict("records")
loss = amount(*(adam[f"clean_loss_{end}"] for end in ("difference", "t_low", "t_high")), "clean_loss")
notes = [
    text(
        "¹ This row is about RMSprop and SGD. With Adam at {rate}, which study B chose without GC, the training loss with GC is {loss}; not tested by a rule.",
        rate=rate(adam["learning_rate"]),
        loss=loss,
    ),
    text("² The running training loss, because the clean one lags behind with batch normalization."),
    text(
        "³ The training loss at the rate that is best for it, and the accuracy at the rate that the held-out loss chooses."
    ),
]
Markdown("\n".join(f"- {note}" for note in notes))

# %% [markdown]
# **When to stop.** Decide this before you look at the results: tune the learning rate with GC and without it, and train both on at least ten
# fresh seeds. Keep GC if the 95% interval of your held-out measure does not lie on the worse side of zero, and that of the measure that you want
# better lies on its better side. Otherwise leave GC out. How small a loss of accuracy can ten seeds exclude?

# %% tags=["hide-input"]
from scipy import stats

spread = found["A"]["size"].table
freedom = spread["count"] - 1
deviation = 100 * ((spread["var"] * freedom).sum() / freedom.sum()) ** 0.5
half = stats.t.ppf(0.975, 10 - 1) * deviation / 10**0.5
said = (
    "In study A the paired differences in held-out accuracy have a standard deviation of {deviation:.1f} points. With ten seeds the interval "
    "reaches about {half:.0f} points to either side, so a smaller loss may stay hidden."
)
Markdown(text(said, deviation=deviation, half=half))

# %% [markdown]
# All of this is about the networks and images of these studies. Large networks, long training, text and tables were not measured.
#
# Which kind of GC, on the gradient or on the update? The results on fresh seeds are for the gradient, and which of the two is better we cannot say:
# see [notebook 7](07_any_optimizer.ipynb).
#
# ## The same study on your images
#
# A plan is a text file. The one below tunes three learning rates on five seeds for each arm, takes the best of each arm to ten fresh
# seeds, and asks one question. If a best rate is the lowest or the highest of the three, add a rate and run the command again. `data` is
# `tfds:NAME` for any image classification set of [TensorFlow Datasets](https://www.tensorflow.org/datasets/catalog/overview), such as
# `tfds:beans`: photographs of bean leaves, healthy or ill.

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
# Save it as `my_plan.toml`, and run one command. Several workers need the extra `[study]`: `pip install distributed`. Without it, leave out
# `--workers 2`.
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
# For a network of your own, compare in your own script. Write the optimizer as `centralized(Optimizer)(..., centralize=mode)` with the mode
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
# Back to [1. The images](01_data.ipynb), or to [8. What it changes, and why it may work](08_why_it_works.ipynb). The [frequently asked questions](../docs/faq.md) have short
# answers.
