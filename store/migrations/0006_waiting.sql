-- What waits of each deployment in a queue: a claim steps over a backlog of a
-- full one without reading it.
CREATE INDEX flow_run_waiting ON flow_run (work_queue_id, deployment_id, due, id)
	WHERE state_type = 'SCHEDULED';
