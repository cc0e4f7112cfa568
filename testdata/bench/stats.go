package main

import (
	"math"
	"slices"
)

// interval is a median and the range in which it lies nineteen times in
// twenty, by the order statistics of its samples: no shape of the noise is
// assumed.
type interval struct{ low, mid, high float64 }

func exactly(x float64) interval { return interval{x, x, x} }

func median(samples []float64) interval { return quantile(samples, 0.5) }

func quantile(samples []float64, q float64) interval {
	sorted := slices.Sorted(slices.Values(samples))
	n := float64(len(sorted))
	at := func(rank float64) float64 {
		return sorted[int(min(max(math.Round(rank), 0), n-1))]
	}
	half := 1.96 * math.Sqrt(n*q*(1-q))
	return interval{at(q*n - 0.5 - half), at(q*n - 0.5), at(q*n - 0.5 + half)}
}

// ratio compares samples that were taken in turns, pair by pair, so that what
// else the machine did weighs on both.
func ratio(a, b []float64) interval {
	return median(pairwise(a, b, func(x, y float64) float64 { return x / y }))
}

func difference(a, b []float64) []float64 {
	return pairwise(a, b, func(x, y float64) float64 { return x - y })
}

func pairwise(a, b []float64, f func(x, y float64) float64) []float64 {
	list := make([]float64, min(len(a), len(b)))
	for i := range list {
		list[i] = f(a[i], b[i])
	}
	return list
}
