package store

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"testing"
)

// million adds a file of 1,000,000 ended runs to the benchmarks; making it
// takes a minute or two.
var million = flag.Bool("million", false, "benchmark with 1,000,000 ended runs, too")

// withEnded runs a benchmark on files with more and more ended runs. What it
// prints must stay flat.
func withEnded(b *testing.B, run func(*testing.B, *Store, Deployment)) {
	sizes := []int{1_000, 100_000}
	if *million {
		sizes = append(sizes, 1_000_000)
	}
	for _, size := range sizes {
		s := New(filepath.Join(b.TempDir(), "runnel.db"))
		if err := s.Open(context.Background()); err != nil {
			b.Fatal(err)
		}
		w := Wish{FlowName: "hello", Name: "nightly", Entrypoint: "hello.py:hello", Kind: "python", Path: "/tmp", Pool: "p"}
		if _, err := s.Deploy(context.Background(), []Wish{w}, DeployOptions{CreatePools: true}); err != nil {
			b.Fatal(err)
		}
		d, err := s.Deployment(context.Background(), "nightly")
		if err != nil {
			b.Fatal(err)
		}
		for made := 0; made < size; made += min(size, 100_000) { // bounds the write-ahead log
			insertRuns(b, s, d, min(size, 100_000), Completed)
		}
		b.Run(fmt.Sprintf("ended=%d", size), func(b *testing.B) { run(b, s, d) })
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkClaim takes runs eight a round, and ends those of the round before,
// as a busy worker does. The time is that of one run.
func BenchmarkClaim(b *testing.B) {
	withEnded(b, func(b *testing.B, s *Store, d Deployment) {
		insertRuns(b, s, d, b.N, Scheduled)
		// Its pages are checkpointed now, not within what is measured.
		if _, err := s.writer.ExecContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
			b.Fatal(err)
		}
		round := Round{Worker: Worker{Name: "w", WorkPoolName: "p", ConcurrencyLimit: ptr(8)}, Owners: owners(8)}
		b.ResetTimer()
		for claimed := 0; claimed < b.N || len(round.Ends) > 0; {
			result, err := s.Claim(context.Background(), round)
			if err != nil {
				b.Fatal(err)
			}
			claimed += len(result.Claimed)
			round.Ends = round.Ends[:0]
			for _, c := range result.Claimed {
				round.Ends = append(round.Ends, endOf(c, NewState(Completed, "")))
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/run")
	})
}

func benchmarkList(b *testing.B, f RunFilter, want int) {
	withEnded(b, func(b *testing.B, s *Store, d Deployment) {
		insertRuns(b, s, d, 1, Scheduled)
		b.ResetTimer()
		for range b.N {
			runs, err := s.Runs(context.Background(), f)
			if err != nil || len(runs) != want && want != 0 {
				b.Fatal(len(runs), err)
			}
		}
	})
}

// BenchmarkRuns is what `flow-run ls` asks.
func BenchmarkRuns(b *testing.B) { benchmarkList(b, RunFilter{Limit: 20}, 20) }

func BenchmarkRunsOfStates(b *testing.B) {
	benchmarkList(b, RunFilter{Limit: 20, States: []string{"completed", "TimedOut", "late"}}, 20)
}

func BenchmarkRunsOfADeployment(b *testing.B) {
	benchmarkList(b, RunFilter{Limit: 20, Deployment: "nightly"}, 20)
}

func BenchmarkFindByEnding(b *testing.B) {
	withEnded(b, func(b *testing.B, s *Store, _ Deployment) {
		runs, err := s.Runs(context.Background(), RunFilter{Limit: 1})
		if err != nil {
			b.Fatal(err)
		}
		b.ResetTimer()
		for range b.N {
			if _, err := s.FindRuns(context.Background(), runs[0].ID.Short()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkClaimBehindABacklog claims past 10,000 due runs of a deployment
// that is full.
func BenchmarkClaimBehindABacklog(b *testing.B) {
	s := New(filepath.Join(b.TempDir(), "runnel.db"))
	if err := s.Open(context.Background()); err != nil {
		b.Fatal(err)
	}
	w := Wish{FlowName: "hello", Name: "full", Entrypoint: "hello.py:hello", Kind: "python", Path: "/tmp", Pool: "p", ConcurrencyLimit: ptr(1)}
	if _, err := s.Deploy(context.Background(), []Wish{w}, DeployOptions{CreatePools: true}); err != nil {
		b.Fatal(err)
	}
	d, err := s.Deployment(context.Background(), "full")
	if err != nil {
		b.Fatal(err)
	}
	insertRuns(b, s, d, 10_000, Scheduled)
	b.ResetTimer()
	for range b.N {
		if _, err := s.Claim(context.Background(), Round{Worker: Worker{Name: "w", WorkPoolName: "p"}, Owners: owners(1)}); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
