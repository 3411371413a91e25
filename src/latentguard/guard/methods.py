"""How a probe is fitted: four methods on the same states, one cell at a time.

belief           unit(mu+) - unit(mu-) on unit states: the paper's cosine difference, nothing trained
mean_difference  projection on v = mu+ - mu-, class means at -1/2 and +1/2
lda              projection on S^-1 v, S the within-class covariance shrunk towards a multiple of the
                 identity (Ledoit & Wolf 2004), class means at -1/2 and +1/2
logistic         L2-penalised logistic regression on standardised states; the score is the log-odds
"""

import torch
from jaxtyping import Bool, Float
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from latentguard.beliefs import coinciding
from latentguard.beliefs.unit import unit_difference
from latentguard.guard.probe import Method, Probe

PENALTY = 0.001
"""Inverse strength C of the logistic penalty: states have more dimensions than there are prompts."""


def fit_probe(
    states: Float[Tensor, "prompt cell hidden"], harmful: Bool[Tensor, " prompt"], method: Method
) -> Probe:
    """Fit `method` on labelled states. A cell whose class means coincide gets weight 0."""
    n_cells, hidden = states.shape[1], states.shape[2]
    weights, bias = torch.zeros(n_cells, hidden), torch.zeros(n_cells)
    for cell in range(n_cells):
        values = states[:, cell].float()
        positive, negative = values[harmful].mean(dim=0), values[~harmful].mean(dim=0)
        if bool(coinciding(positive[None], negative[None])):
            continue
        if method == "belief":
            weights[cell] = unit_difference(positive, negative).float()
        elif method == "logistic":
            weights[cell], bias[cell] = _logistic(values, harmful)
        else:
            difference = positive - negative
            along = difference if method == "mean_difference" else _whitened(values, harmful, difference)
            along = along / torch.dot(along, difference)
            weights[cell], bias[cell] = along, -torch.dot(along, (positive + negative) / 2)
    return Probe(weights, bias, unit_length=method == "belief")


def _whitened(
    values: Float[Tensor, "prompt hidden"],
    harmful: Bool[Tensor, " prompt"],
    difference: Float[Tensor, " hidden"],
) -> Float[Tensor, " hidden"]:
    """S^-1 difference, solved in whichever of the two spaces is smaller."""
    within = values.clone()
    for members in (harmful, ~harmful):
        within[members] -= values[members].mean(dim=0)
    n_prompts, hidden = within.shape
    shrinkage = float(ledoit_wolf_shrinkage(within.numpy(), assume_centered=True))
    ridge = shrinkage * float(within.square().sum()) / (n_prompts * hidden)
    scale = (1 - shrinkage) / n_prompts
    if hidden <= n_prompts:
        covariance = within.T @ within * scale
        covariance.diagonal().add_(ridge)
        return torch.linalg.solve(covariance, difference)
    gram = within @ within.T
    gram.diagonal().add_(ridge / max(scale, 1e-12))
    return (difference - within.T @ torch.linalg.solve(gram, within @ difference)) / ridge


def _logistic(
    values: Float[Tensor, "prompt hidden"], harmful: Bool[Tensor, " prompt"]
) -> tuple[Float[Tensor, " hidden"], Float[Tensor, ""]]:
    """Log-odds as a function of the raw state: the standardisation is folded into weights and bias."""
    mean, deviation = values.mean(dim=0), values.std(dim=0)
    deviation = deviation.clamp(min=1e-6 * float(deviation.max()) + 1e-12)
    fitted = LogisticRegression(C=PENALTY, max_iter=300, class_weight="balanced")
    fitted.fit(((values - mean) / deviation).numpy(), harmful.numpy())
    weights = torch.from_numpy(fitted.coef_[0]).float() / deviation
    return weights, torch.tensor(float(fitted.intercept_[0])) - torch.dot(weights, mean)
