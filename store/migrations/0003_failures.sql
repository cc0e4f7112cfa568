-- What failed lately, by when it ended: a tick's run is made long before.
CREATE INDEX flow_run_failed ON flow_run (end_time)
	WHERE state_type IN ('FAILED', 'CRASHED');
