"""The guard beside everything else that could flag a prompt, cut at the same rate of false alarms."""

from latentguard.report.further.heat import heat_map
from latentguard.report.further.section import Listing, Section, shown
from latentguard.report.words import percent
from latentguard.rivals import Contest

LEAD = (
    "Everything is fitted on the same prompts and cut at the same rate of false alarms among ordinary "
    "prompts, on "
    "which nothing else is measured."
)


def rivals_section(found: Contest) -> Section:
    """Overall, and every set."""
    standing = [one for one in found.standings if one.unavailable is None]
    at = [percent(rate) for rate in found.rates]
    overall = Listing(
        f"Means over sets; fitted on {found.fitted_on} ({found.n_train} prompts, {found.n_validation} to "
        f"choose "
        f"on), cut on {found.n_ordinary} ordinary prompts",
        (
            "rival",
            "AUROC over pairs of sets",
            *(f"caught at {rate}" for rate in at),
            *(f"false alarms at {rate}" for rate in at),
        ),
        tuple((one.name, *map(shown, (one.auroc, *one.recall, *one.over_refusal))) for one in standing),
    )
    sets = standing[0].sets if standing else ()
    names = [f"{row.source} ({row.label}, {row.n})" for row in sets]
    figures = ()
    if sets:
        figures = (
            heat_map(
                "figure-rivals",
                f"Flagged at {at[-1]} false alarms, by set",
                f"Heat map of the share flagged of {len(sets)} sets by {len(standing)} rivals; of harmful "
                f"sets dark "
                "is right, of harmless ones light.",
                [one.name for one in standing],
                names,
                [[row.flagged[-1].value for row in one.sets] for one in standing],
                what="flagged",
            ),
        )
    return Section(
        key="rivals",
        title="The guard and its rivals",
        lead=LEAD,
        source="rivals.json",
        figures=figures,
        listings=(overall,),
        notes=tuple(f"{one.name}: {one.unavailable}" for one in found.standings if one.unavailable),
    )
