package store

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"testing"
	"time"
)

// A role is what another process does to the file: it is this test binary,
// started again. What it prints, a line each, is its word that it was done.
var roles = map[string]func(s *Store) error{
	"open":      func(*Store) error { return nil },
	"hold":      hold,
	"create":    createForEver,
	"claim":     claimForEver,
	"claim all": claimAll,
}

func playRole(name string) int {
	s := New(os.Getenv("RUNNEL_STORE_TEST_FILE"))
	s.Patient = true
	err := s.Open(context.Background())
	if err == nil {
		err = errors.Join(roles[name](s), s.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// process is another process that plays a role.
type process struct {
	cmd   *osexec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
}

func play(t *testing.T, role, file string) *process {
	t.Helper()
	p := &process{cmd: osexec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), "RUNNEL_STORE_TEST_ROLE="+role, "RUNNEL_STORE_TEST_FILE="+file)
	p.cmd.Stderr = os.Stderr
	var err error
	p.in, err = p.cmd.StdinPipe()
	must(t, err)
	out, err := p.cmd.StdoutPipe()
	must(t, err)
	p.lines = bufio.NewScanner(out)
	must(t, p.cmd.Start())
	t.Cleanup(p.kill)
	return p
}

// line waits for the process's next line.
func (p *process) line(t *testing.T) string {
	t.Helper()
	if !p.lines.Scan() {
		t.Fatalf("the process ended without a word: %v", p.cmd.Wait())
	}
	return p.lines.Text()
}

// kill is kill -9, and the wait until it is gone. All it printed can be read
// before, by drain.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// drain kills the process and reads what it had printed.
func (p *process) drain() (lines []string) {
	_ = p.cmd.Process.Kill()
	for p.lines.Scan() {
		lines = append(lines, p.lines.Text())
	}
	_ = p.cmd.Wait()
	return lines
}

// hold keeps the write lock until its stdin ends.
func hold(s *Store) error {
	return s.update(context.Background(), func(*tx) error {
		fmt.Println("held")
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	})
}

func createForEver(s *Store) error {
	for {
		run, _, err := s.CreateRun(context.Background(), NewRun{Deployment: "nightly"})
		if err != nil {
			return err
		}
		fmt.Println(run.ID)
	}
}

func claimForEver(s *Store) error {
	for {
		result, err := s.Claim(context.Background(), Round{Worker: Worker{Name: "w", WorkPoolName: "p"}, Owners: owners(1)})
		if err != nil {
			return err
		}
		for _, c := range result.Claimed {
			fmt.Println(c.Run.ID)
		}
	}
}

// claimAll claims and ends until nothing is left. In the claiming transaction,
// before it is committed, it counts what runs.
func claimAll(s *Store) error {
	s.fault = func(point string) error {
		var pool, deployment int
		if point != "commit" {
			return nil
		}
		err := s.writer.QueryRowContext(context.Background(), `
			SELECT count(*),
			       count(*) FILTER (WHERE deployment_id = (SELECT id FROM deployment WHERE name = 'limited'))
			  FROM flow_run
			 WHERE state_type IN ('PENDING', 'RUNNING', 'CANCELLING')`).Scan(&pool, &deployment)
		if err == nil && (pool > contentionPoolLimit || deployment > contentionLimit) {
			err = fmt.Errorf("%d runs at once, %d of the limited deployment", pool, deployment)
		}
		return err
	}
	round := Round{Worker: Worker{Name: fmt.Sprint("w", os.Getpid()), WorkPoolName: "p", ConcurrencyLimit: ptr(2)}}
	said := json.NewEncoder(os.Stdout)
	for {
		round.Owners = owners(2)
		result, err := s.Claim(context.Background(), round)
		if err != nil {
			return err
		}
		round.Ends = nil
		for _, c := range result.Claimed {
			if err := said.Encode(c.Run.ID); err != nil {
				return err
			}
			round.Ends = append(round.Ends, endOf(c, NewState(Completed, "")))
		}
		var open int
		err = s.reader.QueryRowContext(context.Background(), "SELECT count(*) FROM flow_run WHERE end_time IS NULL").Scan(&open)
		if err != nil || open == 0 {
			return err
		}
		if len(result.Claimed) == 0 { // the others hold the limits: let them
			time.Sleep(time.Millisecond)
		}
	}
}
