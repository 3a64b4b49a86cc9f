"""Amazon CloudWatch where moto's differs from AWS's.

- `alarms`: alarms are evaluated on the clock, if the environment is opened so. Composite alarms, anomaly detection,
  percentiles and periods below a minute are refused then.
- `api`: an alarm begins with insufficient data, and keeps its state when it is changed. DescribeAlarmHistory exists.
- `queries`: GetMetricData, GetMetricStatistics and ListMetrics answer from the data that alarms are evaluated on.
- `transitions`: what a change of state leads to, also that of SetAlarmState.
- `service_metrics`, `embedded_metrics`, `queue_metrics`: the metrics of what happens here.
"""

from local.aws.cloudwatch.api import CloudWatch

__all__ = ["CloudWatch"]
