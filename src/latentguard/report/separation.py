"""Does the belief say more than the decision? The rows of that table, in words."""

from latentguard.report.schema import Estimate, Proportion, Separation


def separation_rows(found: Separation) -> list[tuple[str, Estimate | Proportion]]:
    """Question and answer, in the order of the page; what is unavailable is left out."""
    rows: list[tuple[str, Estimate | Proportion]] = [
        ("AUROC of the harmfulness belief, all test prompts", found.auroc_all),
        ("the same, only prompts that the model accepted", found.auroc_within_accepted),
        ("the same, only prompts that the model refused", found.auroc_within_refused),
        ("accepted harmful prompts that it believes harmful", found.accepted_harmful_believed_harmful),
        ("refused harmless prompts that it believes harmless", found.refused_harmless_believed_harmless),
    ]
    if found.refusal_belief_agrees is not None:
        rows.append(("refusal belief that agrees with the decision", found.refusal_belief_agrees))
    return rows
