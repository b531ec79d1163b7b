"""The timesteps that runs visit, read from the schedules that were found for them."""

from adm.params.runs import SamplingParams
from adm.params.schema import Sections
from adm.params.studies import SearchParams
from adm.report.metrics import Inputs
from adm.sampling.found_schedules import SearchedSchedule, VariationalSchedules
from adm.sampling.studies import read_study
from adm.sampling.timesteps import timesteps_of


def visited_timesteps(params: Sections, run: str, inputs: Inputs) -> list[int]:
    """List the timesteps that a run, or the first run of a group, visits.

    Args:
        params: The params file.
        run: A run of a diffusion model.
        inputs: Artifacts that include, among "studies", the schedule of the run.

    Raises:
        UserError: The schedule is missing, or was found with other sections than the params file has now.
    """
    section = params.section_of(run)
    assert isinstance(section, SamplingParams), run
    folder = None if section.schedule is None else inputs["studies"][section.schedule]
    if section.schedule is not None and folder is not None:
        schedule = params.schedules[section.schedule]
        if isinstance(schedule, SearchParams):
            read_study(SearchedSchedule, folder, schedule=schedule, run=params.runs[schedule.run])
        else:
            read_study(VariationalSchedules, folder, schedule=schedule)
    return timesteps_of(section, params.models[params.model_of(section.checkpoint)].noise, folder)
