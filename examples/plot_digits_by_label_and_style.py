"""
Digits by label and style
=========================

Encoder, decoder and prior of a :class:`~skae.ConditionalVAE` are told which digit an image shows.
The code need not say it again: what is left to it is the style. Here the handwriting of some
held-out digits is carried over to all ten.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from skae import VAE, ConditionalVAE

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=500, stratify=y, random_state=0
)
labels = np.arange(10)

# %%
# Three numbers for the style. A standard prior spreads the styles of every label over the same
# place, so that one code means the same style under each.

model = ConditionalVAE(3, conditional_prior="standard", max_iter=50, random_state=0)
model.fit(X_train, condition=y_train)
Z = model.transform(X_test, condition=y_test)
order = np.argsort(Z, axis=0)
chosen = order[[10, -11]].T.ravel()  # near both ends of each number

styles = np.repeat(Z[chosen], 10, axis=0)
digits = model.inverse_transform(styles, condition=np.tile(labels, len(chosen)))
digits = digits.reshape(len(chosen), 10, 8, 8)

fig, axes = plt.subplots(
    len(chosen),
    12,
    figsize=(8.4, 4.6),
    width_ratios=[1, 0.35, *[1] * 10],
    subplot_kw={"xticks": [], "yticks": [], "frame_on": False},
    layout="constrained",
)
for row, original, images in zip(axes, X_test[chosen].reshape(-1, 8, 8), digits, strict=True):
    for ax, image in zip(row[[0, *range(2, 12)]], [original, *images], strict=True):
        ax.imshow(image, cmap="gray_r", vmin=0, vmax=16)
axes[0, 0].set_title("held out", fontsize=10)
for ax, label in zip(axes[0, 2:], labels, strict=True):
    ax.set_title(f"as {label}", fontsize=10)
for i, row in enumerate(axes):
    row[0].set_ylabel(f"$z_{i // 2 + 1}$ {('low', 'high')[i % 2]}", fontsize=10)
plt.show()

# %%
# Does the code leave the label to the condition, do samples obey theirs, and which prior is best?
# A linear probe tries to read the label off the code; a support vector machine, trained on real
# digits, judges samples. Without a condition, on the last line, there is nothing to obey.

judge = SVC().fit(X_train, y_train)


def probe(train_codes, test_codes):
    return LogisticRegression(max_iter=5000).fit(train_codes, y_train).score(test_codes, y_test)


print(f"{'8 numbers':<12} {'held-out score':>14} {'read off the code':>18} {'samples obey':>13}")
for prior in ["learned", "standard", "none"]:
    cvae = ConditionalVAE(8, conditional_prior=prior, max_iter=50, random_state=0)
    cvae.fit(X_train, condition=y_train)
    read = probe(
        cvae.transform(X_train, condition=y_train), cvae.transform(X_test, condition=y_test)
    )
    samples = cvae.sample(100, condition=labels)
    obey = judge.score(samples, np.repeat(labels, 100))
    score = cvae.score(X_test, condition=y_test)
    print(f"{prior:<12} {score:14.1f} {read:18.2f} {obey:13.3f}")

vae = VAE(8, max_iter=50, random_state=0).fit(X_train)
read = probe(vae.transform(X_train), vae.transform(X_test))
print(f"{'VAE':<12} {vae.score(X_test):14.1f} {read:18.2f}")
