flow_run = None
