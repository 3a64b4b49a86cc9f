"""The one stack: the functions, the state machine that calls them, and what identity providers start it by."""

from aws_cdk import Annotations, Aws, CfnOutput, CfnRule, CfnRuleAssertion, Fn, Stack
from constructs import Construct

from stacks.functions import build_functions, function_code
from stacks.intake import Intake
from stacks.settings import EXAMPLE_ORGANIZATION_ID, WORKMAIL_REGIONS, Settings
from stacks.workflow import OffboardingWorkflow


class OffboardingStack(Stack):
    """Everything that is deployed, in whatever account and Region the CDK CLI points at.

    It is protected against deletion: its executions wait for weeks, and deleting it would end all of them
    between the deregistering and the evidence.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(
            scope,
            construct_id,
            description="Offboards Amazon WorkMail users, groups and resources, and proves how it ended",
            termination_protection=True,
        )
        code = function_code()
        functions = build_functions(self, settings, code)
        workflow = OffboardingWorkflow(
            self, "Offboarding", functions=functions, log_retention_days=settings.log_retention_days
        )
        self._tell(
            "StateMachineArn",
            "Start an execution of this state machine to offboard an entity",
            workflow.state_machine.state_machine_arn,
        )
        if settings.identity_providers.any_configured:
            self._tell_of(Intake(self, "Intake", state_machine=workflow.state_machine, code=code, settings=settings))
        if settings.workmail_region is None:
            self._refuse_other_regions()
        self._warn_of_the_example(settings)

    def _tell_of(self, intake: Intake) -> None:
        self._tell(
            "EventSourceMappingId",
            "Disable this event source mapping to pause: events wait in their queue for 14 days",
            intake.mapping.event_source_mapping_id,
        )
        self._tell("EventQueueUrl", "Identity providers' events that wait to be read", intake.queue.queue_url)
        self._tell(
            "EventDeadLetterQueueUrl",
            "Events that nobody could act on: refused ones carry the reason",
            intake.dead_letter_queue.queue_url,
        )
        self._tell(
            "UndeliveredEventQueueUrl",
            "Events that EventBridge could not put into their queue",
            intake.undelivered_queue.queue_url,
        )

    def _tell(self, output: str, description: str, value: str) -> None:
        CfnOutput(self, output, description=description, value=value)

    def _refuse_other_regions(self) -> None:
        """Have CloudFormation refuse a Region without WorkMail before it makes any resource."""
        CfnRule(
            self,
            "WorkMailRegion",
            assertions=[
                CfnRuleAssertion(
                    assert_=Fn.condition_contains([*WORKMAIL_REGIONS], Aws.REGION),
                    assert_description=(
                        f"Amazon WorkMail exists in {', '.join(WORKMAIL_REGIONS)} only: deploy there, or name "
                        "the organizations' Region in offboarding.workmailRegion in cdk.json"
                    ),
                )
            ],
        )

    def _warn_of_the_example(self, settings: Settings) -> None:
        if EXAMPLE_ORGANIZATION_ID in settings.organization_ids:
            Annotations.of(self).add_warning_v2(
                "WorkMailOffboarding:ExampleOrganization",
                f"{EXAMPLE_ORGANIZATION_ID} is the example in cdk.json: put your organization's id into "
                "offboarding.organizations before you deploy",
            )
