package pipeline

import (
	"errors"
	"slices"
	"testing"
)

func TestSinkThatFailsStopsTheSourceAndOthersGetTheTail(t *testing.T) {
	source := &script{steps: []step{{records: walls(1, 2, 3)}, {records: walls(4)}}, tail: walls(8, 9)}
	bad, good := &notebook{failAt: 2}, &notebook{}
	err := Run(t.Context(), source, bad, good)
	if err == nil || err.Error() != "disk full" {
		t.Errorf("got %v, want the sink's error", err)
	}
	if want := walls(1, 2, 3, 8, 9); !slices.Equal(good.got, want) {
		t.Errorf("the other sink got %v, want %v", good.got, want)
	}
	if bad.afterFailed != 0 {
		t.Errorf("the failed sink was asked %d times more", bad.afterFailed)
	}
	if source.stopped != 1 {
		t.Errorf("Stop was called %d times", source.stopped)
	}
}

func TestFirstErrorWins(t *testing.T) {
	first, second := &notebook{failAt: 1}, &notebook{failFlush: errors.New("pipe closed")}
	err := Run(t.Context(), &script{steps: []step{{records: walls(1)}}}, first, second)
	if err != first.err {
		t.Errorf("got %v, want %v", err, first.err)
	}
}

func TestErrorOfTheLastFlushIsTold(t *testing.T) {
	sink := &notebook{failFlush: errors.New("pipe closed")}
	if err := Run(t.Context(), &script{steps: []step{{records: walls(1)}}}, sink); err != sink.failFlush {
		t.Errorf("got %v, want %v", err, sink.failFlush)
	}
}

func TestErrorOfTheSourceEndsTheRun(t *testing.T) {
	broken := errors.New("ring torn")
	source := &script{steps: []step{{records: walls(1)}, {records: walls(2), err: broken}, {records: walls(3)}}}
	var sink notebook
	err := Run(t.Context(), source, &sink)
	if !errors.Is(err, broken) || err.Error() != "ring torn" {
		t.Errorf("got %v, want %v", err, broken)
	}
	if !slices.Equal(sink.got, walls(1, 2)) || len(sink.flushed) == 0 {
		t.Errorf("got %v, %d flushes, want what came before the error, flushed", sink.got, len(sink.flushed))
	}
	if source.calls != 2 {
		t.Errorf("it was asked %d times, want 2", source.calls)
	}
}

// A sink that fails while the source breaks: both are told, the source first.
func TestErrorsOfBoth(t *testing.T) {
	broken := errors.New("ring torn")
	err := Run(t.Context(), &script{steps: []step{{records: walls(1), err: broken}}}, &notebook{failAt: 1})
	if want := "ring torn\ndisk full"; err == nil || err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}
