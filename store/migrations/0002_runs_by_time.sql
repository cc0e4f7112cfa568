-- Runs are listed by the time at which they were meant to start. What stands
-- behind the id of a state is asked for together with it.
CREATE INDEX flow_run_at ON flow_run (expected_start_time, id);
CREATE INDEX flow_run_at_state ON flow_run (state_type, expected_start_time, id, state_name, deployment_id);
CREATE INDEX flow_run_at_deployment ON flow_run (deployment_id, expected_start_time, id);
CREATE INDEX flow_run_at_flow ON flow_run (flow_id, expected_start_time, id);
CREATE INDEX flow_run_at_queue ON flow_run (work_queue_id, expected_start_time, id);
CREATE INDEX flow_run_at_worker ON flow_run (worker_name, expected_start_time, id)
	WHERE worker_name IS NOT NULL;

-- Which layer gave a parameter, by its name: deployment, schedule or run. Empty
-- where an older binary made the run.
ALTER TABLE flow_run ADD COLUMN parameter_sources TEXT NOT NULL DEFAULT '{}' CHECK (json_type(parameter_sources) = 'object');

-- Nothing reads these any more: flow_run_at_state and flow_run_at_flow begin with
-- the same column. No statement names them, so that an older worker misses neither.
DROP INDEX flow_run_by_state;
DROP INDEX flow_run_by_flow;
