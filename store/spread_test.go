package store

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

var (
	claimers     = flag.Int("claimers", 8, "how many processes claim at once (the figure of the guarantees: 32)")
	claimersRuns = flag.Int("claimers-runs", 2000, "how many runs they claim (the figure of the guarantees: 20000)")
)

func init() { roles["claim share"] = claimShare }

// claimShare claims and ends, four runs a round, from the word on stdin until
// nothing is left. It prints its share and how long it waited at the longest.
func claimShare(s *Store) error {
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	round := Round{Worker: Worker{Name: fmt.Sprint("w", os.Getpid()), WorkPoolName: "p"}}
	share, longest := 0, time.Duration(0)
	for {
		round.Owners = owners(4)
		began := time.Now()
		result, err := s.Claim(context.Background(), round)
		if err != nil {
			return err
		}
		longest = max(longest, time.Since(began))
		round.Ends = nil
		for _, c := range result.Claimed {
			round.Ends = append(round.Ends, endOf(c, NewState(Completed, "")))
		}
		if share += len(result.Claimed); len(result.Claimed) == 0 {
			fmt.Println(share, longest.Microseconds())
			return nil
		}
	}
}

// TestManyProcessesShareTheRuns: each run is claimed once, no error reaches
// anybody, and no process starves.
func TestManyProcessesShareTheRuns(t *testing.T) {
	s := open(t)
	d := deploy(t, s, nil)
	insertRuns(t, s, d, *claimersRuns, Scheduled)
	var processes []*process
	for range *claimers {
		processes = append(processes, play(t, "claim share", s.Path()))
	}
	for _, p := range processes {
		p.line(t)
	}
	began := time.Now()
	for _, p := range processes {
		_, err := fmt.Fprintln(p.in, "go")
		must(t, err)
	}
	var shares []int
	var longest []time.Duration
	sum := 0
	for _, p := range processes {
		var share int
		var us int64
		_, err := fmt.Sscan(p.line(t), &share, &us)
		must(t, err)
		must(t, p.cmd.Wait())
		shares, longest, sum = append(shares, share), append(longest, time.Duration(us)*time.Microsecond), sum+share
	}
	slices.Sort(shares)
	slices.Sort(longest)
	t.Logf("%d processes, %d runs in %s: shares from %d to %d, half of them at most %d; the longest round from %s to %s",
		*claimers, *claimersRuns, time.Since(began).Round(time.Millisecond), shares[0], shares[len(shares)-1],
		shares[len(shares)/2], longest[0].Round(time.Millisecond), longest[len(longest)-1].Round(time.Millisecond))
	if sum != *claimersRuns {
		t.Errorf("%d claims of %d runs", sum, *claimersRuns)
	}
	if n := number(t, s, "SELECT count(*) FROM flow_run WHERE state_type = 'COMPLETED' AND attempt = 1 AND fence = 1"); n != int64(*claimersRuns) {
		t.Errorf("%d runs completed in one attempt, want %d", n, *claimersRuns)
	}
	if shares[0] == 0 {
		t.Error("a process starved")
	}
	sound(t, s)
}
