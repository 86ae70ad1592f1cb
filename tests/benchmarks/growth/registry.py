"""All cases by name, in the order of the page."""

import ball_cases
import cell_cases
import density_cases
import path_cases

CASES = ball_cases.CASES | cell_cases.CASES | density_cases.CASES | path_cases.CASES
