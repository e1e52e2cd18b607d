"""What a form with ``components/anti_robot.html`` sends back."""

from collections.abc import Mapping

from idp.identity.anti_robot import Solution
from idp.sentence import say
from idp.web.login_form import FormError

WORK_FIELD = "anti_robot_work"
QUESTION_FIELD = "anti_robot_question"
ANSWER_FIELD = "anti_robot_answer"

ROBOT = FormError(
    "robot", say("Cochez « Je ne suis pas un robot » ou répondez à la question, puis recommencez.")
)


def solution_of(form: Mapping[str, str]) -> Solution:
    """Read the three fields of the component, as they came."""
    return Solution(
        work=form.get(WORK_FIELD, ""),
        sealed_question=form.get(QUESTION_FIELD, ""),
        answer=form.get(ANSWER_FIELD, ""),
    )
