package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"runnel/runner"
	"runnel/store"
)

// What a disk must have free, in bytes: below the first a log may fill it any
// moment, below the second it is time to look.
const (
	diskRed  = 100 << 20
	diskWarn = 1 << 30
)

// clockSlack is how far ahead of the clock a time may lie that was written by
// it, set right since.
const clockSlack = time.Minute

// clock checks that zones are known, and that TZ names one.
func (d *doctor) clock() {
	zone := d.Env("TZ")
	_, err := time.LoadLocation(strings.TrimPrefix(zone, ":"))
	_, dataErr := time.LoadLocation("Europe/Berlin")
	switch {
	case dataErr != nil:
		d.say(checkRed, "zones", dataErr.Error(), "install the system's zone data, often the package tzdata")
	case err != nil && !filepath.IsAbs(strings.TrimPrefix(zone, ":")):
		d.say(checkWarn, "zones", fmt.Sprintf("TZ is %q, which is no zone: times are shown in UTC", zone), "unset TZ, or export TZ=Europe/Berlin")
	default:
		d.say(checkOK, "zones", "times are shown in "+d.Clock().Local().Format("MST"), "")
	}
}

// file checks SQLite, the disk, the write-ahead log, and the times in it.
func (d *doctor) file() error {
	h, err := d.store.Health(d.ctx)
	if err != nil {
		return err
	}
	d.say(checkOK, "database", fmt.Sprintf("%s, %s", d.store.Path(), bytesText(h.Bytes)), "")
	d.say(checkOK, "sqlite", fmt.Sprintf("%s, schema %d", h.SQLite, h.Schema), "")
	if h.WALBytes > 2*store.WALLimit {
		d.say(checkWarn, "write-ahead log", bytesText(h.WALBytes)+": a process that reads keeps it from being cut",
			"see who has it open: fuser -v "+store.Quote(d.store.Path()))
	} else {
		d.say(checkOK, "write-ahead log", bytesText(h.WALBytes), "")
	}
	d.disk()
	runs, err := d.store.Runs(d.ctx, store.RunFilter{Limit: 1})
	if err != nil {
		return err
	}
	if len(runs) > 0 && runs[0].Created.Sub(d.Clock()) > clockSlack {
		d.say(checkRed, "clock", fmt.Sprintf("the newest run was made %s: the clock is, or was, wrong", d.ago(runs[0].Created)),
			"timedatectl set-ntp true")
	} else {
		d.say(checkOK, "clock", d.local(d.Clock()), "")
	}
	return nil
}

func (d *doctor) disk() {
	folder := filepath.Dir(d.store.Path())
	disk, err := store.DiskOf(folder)
	if err != nil {
		d.say(checkWarn, "disk", err.Error(), "see it yourself: df "+store.Quote(folder))
		return
	}
	message := fmt.Sprintf("%s of %s free", bytesText(disk.Free), bytesText(disk.Total))
	if disk.Kind != "" {
		message = disk.Kind + ", " + message
	}
	status, mend := checkOK, ""
	switch {
	case disk.Free < diskRed:
		status, mend = checkRed, "delete old runs: runnel db prune --keep 7d"
	case disk.Free < diskWarn:
		status, mend = checkWarn, "see what is large: runnel db info"
	}
	d.say(status, "disk", message, mend)
}

// permissions checks that nobody else reads or writes what is ours.
func (d *doctor) permissions() error {
	if runtime.GOOS == "windows" {
		return nil
	}
	path, folder := d.store.Path(), d.store.Folder()
	open := 0
	for _, file := range []string{path, path + "-wal", path + "-shm", folder, filepath.Join(folder, "logs")} {
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm()&0o077 == 0 {
			continue
		}
		open++
		d.say(checkRed, "permissions", fmt.Sprintf("%s is open to others: mode %04o", file, info.Mode().Perm()),
			"chmod go= "+store.Quote(file))
	}
	if open == 0 {
		d.say(checkOK, "permissions", "only you can read it", "")
	}
	return nil
}

// asleepDays is how far back the doctor looks for a machine that slept.
const asleepDays = 7

// slept checks that the machine was awake: asleep it runs nothing.
func (d *doctor) slept() error {
	sleeps, err := d.store.Sleeps(d.ctx, d.Clock().AddDate(0, 0, -asleepDays))
	if err != nil {
		return err
	}
	if len(sleeps) == 0 {
		d.say(checkOK, "sleep", fmt.Sprintf("no worker's machine slept within %d days", asleepDays), "")
		return nil
	}
	whole, last := time.Duration(0), sleeps[0]
	for _, s := range sleeps {
		whole += s.To.Sub(s.From)
	}
	mend := "sudo systemctl mask sleep.target suspend.target hibernate.target"
	if runtime.GOOS == "darwin" {
		mend = "sudo pmset -a sleep 0"
	}
	d.say(checkWarn, "sleep", fmt.Sprintf("this machine slept %s in %s within %d days, last %s: nothing ran meanwhile",
		duration(whole), times(len(sleeps)), asleepDays, timesText(last.From, last.To)), mend)
	return nil
}

func times(n int) string {
	if n == 1 {
		return "one stretch"
	}
	return fmt.Sprintf("%d stretches", n)
}

// workers checks that those who shall work do, and can be woken.
func (d *doctor) workers() error {
	workers, err := d.store.Workers(d.ctx, "")
	if err != nil {
		return err
	}
	online, deaf := 0, 0
	for _, w := range workers {
		start := "runnel worker start --pool " + w.WorkPoolName
		switch {
		case w.Status == store.Online && !runner.Hears(d.store.Folder(), w.ID):
			deaf++
			d.say(checkRed, "doorbell", fmt.Sprintf("worker %s does not hear its bell: it looks once a second", w.Name),
				fmt.Sprintf("start it anew: kill -HUP %d; %s", w.PID, start))
		case w.Status == store.Online:
			online++
		case w.Status == store.Stopped:
			d.say(checkWarn, "workers", fmt.Sprintf("worker %s is stopped", w.Name), fmt.Sprintf("kill -CONT %d", w.PID))
		case w.Status == store.Offline && w.Ended == nil:
			d.say(checkWarn, "workers", fmt.Sprintf("worker %s was killed: last seen %s", w.Name, d.ago(w.LastSeen)), start)
		}
	}
	if deaf == 0 {
		d.say(checkOK, "doorbell", plural(online, "worker")+" can be woken", "")
	}
	pools, err := d.store.WorkPools(d.ctx)
	if err != nil {
		return err
	}
	for _, p := range pools {
		if p.Workers == 0 && p.Late > 0 && !p.IsPaused {
			d.say(checkRed, "workers", fmt.Sprintf("no worker polls %s, and %s", p.Name, lateText(p.Late)),
				"runnel worker start --pool "+p.Name)
		}
	}
	return d.schedules(pools, online)
}

// schedules checks that what fires by itself has a worker, too.
func (d *doctor) schedules(pools []store.WorkPool, online int) error {
	deployments, err := d.store.Deployments(d.ctx)
	if err != nil {
		return err
	}
	idle := map[string][]string{}
	for _, one := range deployments {
		if _, fires := nextOf(one); fires && !paused(one) {
			idle[one.WorkPoolName] = append(idle[one.WorkPoolName], one.FullName)
		}
	}
	found := false
	for _, p := range pools {
		if names := idle[p.Name]; len(names) > 0 && p.Workers == 0 && p.Late == 0 && !p.IsPaused {
			found = true
			d.say(checkWarn, "workers", note{fmt.Sprintf("no worker polls %s, and schedules fire for it", p.Name), names}.String(),
				fmt.Sprintf("runnel worker install --pool %s; or until you log out: runnel worker start --pool %[1]s", p.Name))
		}
	}
	if online > 0 || !found {
		d.say(checkOK, "workers", plural(online, "worker")+" at work", "")
	}
	return nil
}

func lateText(n int) string {
	if n == 1 {
		return "1 run is late"
	}
	return fmt.Sprintf("%d runs are late", n)
}

// owners checks that who has a run lives and goes on.
func (d *doctor) owners() error {
	runs, err := d.store.LiveRuns(d.ctx)
	if err != nil {
		return err
	}
	for _, r := range runs {
		proof, err := runner.ParseProof(r.Owner.Proof)
		switch {
		case err == nil && proof.Identity.Stopped():
			d.say(checkWarn, "runs", fmt.Sprintf("the slot of %s is stopped", r.Name), fmt.Sprintf("kill -CONT %d", proof.Identity.PID))
		case err != nil || !d.store.Alive(r.Owner.Proof):
			// Any look at the runs gives it a slot, or records its end.
			d.say(checkWarn, "runs", fmt.Sprintf("the slot of %s is gone", r.Name), "runnel why "+r.ID.Short())
		}
	}
	d.say(checkOK, "runs", plural(len(runs), "run")+" under way", "")
	return nil
}

// strays looks for processes of runs that have ended.
func (d *doctor) strays() error {
	count := 0
	for _, p := range runner.Strays(d.store.Path()) {
		run, err := d.store.RunByID(d.ctx, p.Run)
		if err != nil || !run.State.Type.Terminal() {
			continue
		}
		count++
		d.say(checkWarn, "processes", fmt.Sprintf("process %d (%s) outlived its run %s", p.PID, clip(clean(p.Command), 60), run.Name),
			fmt.Sprintf("kill %d", p.PID))
	}
	if count == 0 {
		d.say(checkOK, "processes", "none outlived its run", "")
	}
	return nil
}

// deployments checks that what they start is where they say.
func (d *doctor) deployments() error {
	deployments, err := d.store.Deployments(d.ctx)
	if err != nil {
		return err
	}
	bad := 0
	missing := func(full, what, path, mend string) {
		info, err := os.Stat(path)
		if err == nil && (what != "root" || info.IsDir()) {
			return
		}
		bad++
		why := "is gone"
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			why = "cannot be read: " + err.Error()
		}
		d.say(checkRed, "deployments", fmt.Sprintf("the %s of %s, %s, %s", what, full, path, why), mend)
	}
	for _, one := range deployments {
		before := bad
		again := "put it back, or deploy again: runnel deploy " + store.Quote(one.Entrypoint) + " -n " + store.Quote(one.Name)
		if one.Path != "" { // else a run clones it
			missing(one.FullName, "root", one.Path, again)
		}
		if file := entryFile(one); file != "" && bad == before { // one word is enough where all is gone
			missing(one.FullName, "file", file, again)
		}
		if one.Interpreter != "" {
			missing(one.FullName, "interpreter", one.Interpreter, again)
		}
	}
	if bad == 0 {
		d.say(checkOK, "deployments", fmt.Sprintf("%s: what they start is there", plural(len(deployments), "deployment")), "")
	}
	return nil
}

// hooks looks for the commands that would be told of runs.
func (d *doctor) hooks() error {
	pools, err := d.store.WorkPools(d.ctx)
	if err != nil {
		return err
	}
	deployments, err := d.store.Deployments(d.ctx)
	lack := func(h store.Hooks, shown map[string]string, whose, update string) {
		for _, one := range lackingPrograms(h, shown) {
			d.say(checkWarn, "hooks", one.on(" of "+whose), fmt.Sprintf("install it where workers find it, or: runnel %s --%s COMMAND",
				update, strings.ReplaceAll(one.event, "_", "-")))
		}
	}
	for _, p := range pools {
		lack(p.Hooks, nil, "the work pool "+p.Name, "work-pool update "+p.Name)
	}
	for _, one := range deployments {
		lack(one.Hooks, one.Shown, one.FullName, "deployment update "+store.Quote(one.FullName))
	}
	return err
}

// secrets asks whether the key file opens what is kept with it.
func (d *doctor) secrets() error {
	switch n, err := d.store.Secrets(d.ctx); {
	case err != nil:
		message, hint, _ := describe(err)
		d.say(checkRed, "secrets", message, strings.Join(hint, "; "))
	case n > 0:
		d.say(checkOK, "secrets", fmt.Sprintf("%s: the key is there", plural(n, "secret")), "")
	}
	return nil
}

// entryFile is the file of an entrypoint that names one.
func entryFile(d store.Deployment) string {
	file := d.Entrypoint
	if d.Path == "" {
		return ""
	}
	if d.Kind == "python" {
		var found bool
		if file, _, found = strings.Cut(file, ":"); !found || !strings.HasSuffix(file, ".py") {
			return "" // a module: Python finds it
		}
	}
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(d.Path, file)
}
