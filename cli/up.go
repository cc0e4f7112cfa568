package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"runnel/discover"
	"runnel/store"
)

type upCmd struct {
	File  string `type:"path" aliases:"prefect-file" placeholder:"FILE" help:"The project file (default: runnel.yaml, else prefect.yaml, of the project root)."`
	Limit *int   `short:"l" placeholder:"N" help:"At most so many runs at once, in each pool."`
	logFlag
}

// Help ends with examples.
func (upCmd) Help() string {
	return "The same as deploy --all --create-pools, then worker start for each of the pools. Where there is no " +
		"project file and one flow, its deployment and its pool are called default.\n\n" +
		"Examples:\n  runnel up\n  runnel up --file flows/prefect.yaml"
}

func (c upCmd) Run(a *app) error {
	if err := (workerStartCmd{Limit: c.Limit, Type: store.PoolTypes[0]}).check(); err != nil {
		return err
	}
	deploy, err := c.deployment(a)
	if err != nil {
		return err
	}
	j, err := deploy.prepare(a)
	if err != nil {
		return err
	}
	plan, err := j.apply()
	if err != nil {
		return err
	}
	if err := j.show(plan); err != nil {
		return err
	}
	pools, err := j.pools()
	if err != nil {
		return err
	}
	return c.work(a, pools)
}

// deployment is the line of deploy that up stands for.
func (c upCmd) deployment(a *app) (deployCmd, error) {
	root := discover.ProjectRoot(a.Dir)
	path, _, err := discover.FindProjectFile(root)
	if err != nil {
		return deployCmd{}, err
	}
	if c.File != "" || path != "" {
		return deployCmd{All: true, File: c.File, CreatePools: true, outputFlag: asTable}, nil
	}
	result, err := discover.Walk(a.ctx, root, discover.Options{})
	if err != nil {
		return deployCmd{}, err
	}
	flows := slices.DeleteFunc(result.Flows, func(f discover.Flow) bool { return !f.Deployable })
	if len(flows) != 1 {
		e := &exitError{code: exitNotFound, message: fmt.Sprintf("no project file in %s, and %s: without the file up takes a folder with one flow", root, plural(len(flows), "flow"))}
		e.hint = []string{"make a project file: runnel init"}
		return deployCmd{}, e
	}
	entrypoint := flows[0].Entrypoint
	if root != a.Dir {
		entrypoint = filepath.Join(root, entrypoint)
	}
	return deployCmd{Entrypoint: entrypoint, Name: []string{"default"}, Pool: "default", CreatePools: true, outputFlag: asTable}, nil
}

// pools are the work pools of what was deployed, each once.
func (j *deployJob) pools() (pools []string, err error) {
	s, err := j.store()
	if err != nil {
		return nil, err
	}
	for _, w := range j.wishes {
		d, err := s.Deployment(j.ctx, w.FlowName+"/"+w.Name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(pools, d.WorkPoolName) {
			pools = append(pools, d.WorkPoolName)
		}
	}
	return pools, nil
}

// work runs a worker for each pool, in this process, until they are told to
// stop. One that cannot go on ends the others: their slots finish.
func (c upCmd) work(a *app, pools []string) error {
	c.open(a) // before the workers, which share it
	host, _ := os.Hostname()
	name := fmt.Sprintf("%s-%d", strings.ReplaceAll(orDash(host), "/", "-"), os.Getpid())
	ctx, leave := context.WithCancel(a.ctx)
	defer leave()
	errs := make([]error, len(pools))
	var all sync.WaitGroup
	for i, pool := range pools {
		worker := workerStartCmd{Pool: pool, Name: name, Limit: c.Limit, Type: store.PoolTypes[0], logFlag: c.logFlag}
		if len(pools) > 1 {
			worker.Name += "-" + pool
		}
		own := *a
		own.ctx = ctx
		all.Go(func() {
			if errs[i] = worker.Run(&own); errs[i] != nil {
				leave()
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
