package store

// wishedIDs are the deployments of a JSON list of [flow, name].
const wishedIDs = `
	SELECT wished.id
	  FROM json_each(?) w
	 CROSS JOIN flow of ON of.name = w.value ->> 0
	 CROSS JOIN deployment wished ON wished.flow_id = of.id AND wished.name = w.value ->> 1`

// deploying is what one deploy reads once for all of its wishes.
type deploying struct {
	there  map[[2]string]Deployment // by flow and name
	queues map[[2]string]ID         // by pool and queue
	made   []string                 // pool/queue
}

// readExisting reads the deployments that the wishes are for, those that are
// there, in two statements for all of them.
func (t *tx) readExisting(wishes []Wish, known *deploying) error {
	known.there = map[[2]string]Deployment{}
	names := make([][2]string, len(wishes))
	for i, w := range wishes {
		names[i] = [2]string{w.FlowName, w.Name}
	}
	wished := asJSON(names)
	list, err := collect(t.ctx, t, scanDeployment, selectDeployment+" WHERE d.id IN ("+wishedIDs+")", wished)
	if err != nil || len(list) == 0 {
		return err
	}
	schedules, err := collect(t.ctx, t, scanSchedule, selectSchedule+" WHERE s.deployment_id IN ("+wishedIDs+") ORDER BY s.slug", wished)
	if err != nil {
		return err
	}
	shareSchedules(list, schedules)
	for _, d := range list {
		known.there[[2]string{d.FlowName, d.Name}] = d
	}
	return nil
}

// asDeployed is the deployment that the wish is for, or an empty new one.
func (k *deploying) asDeployed(w Wish) (d Deployment, isNew bool) {
	if d, found := k.there[[2]string{w.FlowName, w.Name}]; found {
		return d, false
	}
	return Deployment{
		Name: w.Name, FlowName: w.FlowName, FullName: w.FlowName + "/" + w.Name,
		Tags: []string{}, Parameters: Values{}, JobVariables: Values{}, RetryDelaySeconds: []float64{}, PullSteps: []Step{},
		EnforceParameterSchema: true, CollisionStrategy: Enqueue,
		Catchup: CatchupLatest, Schedules: []DeploymentSchedule{}, Hooks: Hooks{}.whole(),
	}, true
}
