package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"cmp"
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/metadata"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/record"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/tracker"
)

// poller owns all state. It belongs to the loop's goroutine: what is in flight
// comes back to it as an arrival.
type poller struct {
	cfg       *Config
	logger    *zap.Logger
	telemetry *telemetry
	report    *receiverhelper.ObsReport
	status    func(*componentstatus.Event) // tells the collector how the receiver is; called on change
	consumer  consumer.Logs
	client    *defender.Client
	store     *checkpoint.Store

	gets     *quota.Account // of the requests for single incidents
	tracker  *tracker.Tracker
	comparer *incident.Comparer
	records  record.Builder

	configured map[int64]struct{} // the ids that are listed
	feed       *changeFeed        // nil: it is off
	// known is what every decision needs of each incident that has a state, merged
	// ones too. The states are in the store.
	known    map[int64]incident.Summary
	about    checkpoint.Receiver
	troubles map[int64]*trouble // of the incidents whose last fetch failed
	named    map[string]int     // how many of those were named in the log, by the kind of trouble
	outage   outage             // trouble that is everybody's
	ailing   time.Time          // since when there is such trouble that was said; zero: there is none

	// unproven: incidents were delivered before, and since the start none was found.
	unproven bool

	inFlight   int
	queue      []arrival        // answers that are to be looked at, oldest first
	unfinished []*defender.Rest // incidents with more alerts than were shown yet, oldest first
	further    furtherPages
	pending    *delivery // what the pipeline has not accepted yet; nothing is fetched meanwhile

	measured         time.Time       // when the gauges were set
	throttling       bool            // the last answer was a 429: said once
	unwritten        map[string]bool // the entries of the checkpoint whose last write failed: said once
	permanentFailing bool            // the last delivery was refused for good: said once
}

// arrival is the answer to one request.
type arrival struct {
	id     int64
	answer defender.Answer
	page   *defender.Page // of the change feed, in the place of the answer
	at     time.Time
}

func newPoller(cfg *Config, settings receiver.Settings, next consumer.Logs, status func(*componentstatus.Event),
	client *defender.Client, host string, store *checkpoint.Store,
) (*poller, error) {
	telemetry, err := newTelemetry(settings)
	if err != nil {
		return nil, err
	}
	report, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{
		ReceiverID: settings.ID, Transport: "http", LongLivedCtx: true, ReceiverCreateSettings: settings,
	})
	if err != nil {
		return nil, err
	}
	alerts, ignored := incident.AlertsMode(cfg.Alerts), incident.Ignore(cfg.IgnoreChanges...)
	return &poller{
		cfg: cfg, logger: settings.Logger, telemetry: telemetry, report: report, status: status,
		consumer: next, client: client, store: store,
		gets:     newAccount(cfg.RateLimit),
		tracker:  tracker.New(),
		comparer: incident.NewComparer(alerts, cfg.Emit == EmitSnapshots, ignored, ignored.Basis()),
		records: record.Builder{
			Alerts: alerts, Original: cfg.IncludeOriginal, Host: host,
			Scope: metadata.ScopeName, ScopeVersion: settings.BuildInfo.Version,
		},
		further:   furtherPages{of: map[int64]int{}},
		known:     map[int64]incident.Summary{},
		troubles:  map[int64]*trouble{},
		named:     map[string]int{},
		unwritten: map[string]bool{},
	}, nil
}

// restore takes up what the checkpoint holds: the incidents that the
// configured ids lead to go on with their round, the rest is deleted.
func (p *poller) restore(ctx context.Context, ids []int64, contents checkpoint.Contents, now time.Time) error {
	p.about = contents.Receiver
	p.gets.Restore(contents.Quota, now)
	p.known = contents.Summaries
	kept, _ := p.keep(ids)
	incidents, delivered := 0, 0
	for _, id := range kept {
		known := p.known[id]
		if known.Followed() {
			incidents++
		}
		if known.Seen && known.Followed() {
			delivered++
		}
	}
	p.unproven = delivered >= enough
	if err := p.store.Keep(ctx, kept); err != nil {
		return err
	}
	if err := p.takeOver(ctx); err != nil {
		return err
	}
	for _, id := range kept {
		if known := p.known[id]; known.Followed() {
			p.tracker.Add(id, p.dueAfterRestart(known, incidents, now), !known.Fetched().IsZero())
		}
	}
	p.restoreFeed(contents.Feed, now)
	p.announce(now)
	p.warnOfCircles(ids...)
	return nil
}

// takeOver notes the API in use. Where it is another than before, each incident
// is compared by what both show, when its turn comes.
func (p *poller) takeOver(ctx context.Context) error {
	before := p.about.API
	if before == string(p.cfg.API) {
		return nil
	}
	if before != "" {
		p.logger.Info("api has changed: incidents that it shows as they were told are taken over without a record",
			zap.String("before", before), zap.String("api", string(p.cfg.API)), zap.Int("incidents", len(p.known)))
	}
	p.about.API = string(p.cfg.API)
	return p.store.SaveReceiver(ctx, p.about)
}

// dueAfterRestart goes on with the round of before. How long ago a stored time
// was that lies in the future, since the clock was moved, is not known: then it
// is due.
func (p *poller) dueAfterRestart(known incident.Summary, incidents int, now time.Time) time.Time {
	since := now.Round(0).Sub(known.Fetched())
	if known.Fetched().IsZero() || since < 0 {
		return now
	}
	return now.Add(max(0, p.intervalOf(known.Merged, incidents, now)-since))
}

// announce says at start what can be expected.
func (p *poller) announce(now time.Time) {
	round := tracker.Interval(0, p.gets.Spacing(now, quota.Repeat), p.tracker.Len())
	fields := []zap.Field{
		zap.Int("incidents", p.tracker.Len()),
		zap.Int("known_from_before", len(p.known)),
		zap.Duration("collection_interval", p.cfg.CollectionInterval),
		zap.Duration("shortest_round_within_limits", round.Round(time.Second)),
		zap.Bool("interval_can_be_met", round <= p.cfg.CollectionInterval),
	}
	if p.feed != nil {
		fields = append(fields,
			zap.Duration("change_feed_finds_changes_within", max(p.feed.cfg.Interval, p.feed.lists.Spacing(now, quota.Fresh))),
			zap.Bool("discover", p.feed.cfg.Discover))
	}
	p.logger.Info("following incidents", fields...)
}

// arrived notes that a fetch has ended; what it brought waits its turn.
func (p *poller) arrived(a arrival) {
	p.inFlight--
	if a.page != nil {
		p.measureSize(a.page.Size)
		p.listed(a.page, a.at)
		return
	}
	p.measureSize(a.answer.Size)
	p.gets.Done(a.at, a.answer.Reached)
	p.queue = append(p.queue, a)
}

// deliverNext looks at one answer, or tries again what the pipeline has
// refused. It says whether there may be more to do at once.
func (p *poller) deliverNext(ctx context.Context, now time.Time) (more bool) {
	if p.pending != nil {
		return !p.pending.retryAt(now).After(now) && p.deliver(ctx, now)
	}
	switch {
	case p.feed != nil && p.feed.page != nil:
		p.pending = p.nextRow()
	case len(p.queue) > 0:
		a := p.queue[0]
		p.queue = slices.Delete(p.queue, 0, 1)
		p.pending = p.judge(a)
	default:
		return false
	}
	return p.pending == nil || p.deliver(ctx, now)
}

// commit takes over what was delivered, or found unchanged. The round goes on
// from there, whether a fetch or a row of the change feed has shown it.
func (p *poller) commit(id int64, after incident.State, due time.Time) {
	if !p.follows(id) { // not any more since it was asked for
		p.tracker.Done(id, tracker.Outcome{})
		return
	}
	known := after.Summary()
	p.known[id] = known
	p.save("incidents", p.store.Save(context.Background(), id, after))
	switch {
	case p.tracker.InFlight(id):
		p.tracker.Done(id, tracker.Outcome{Due: due, Answered: true})
	case p.tracker.Has(id):
		p.tracker.Observed(id, due)
	case known.Followed(): // discovered, or not merged any more
		p.tracker.Add(id, due, true)
	}
	if !known.Followed() {
		p.drop(id)
		p.follow(known.Successor, after.Fetched)
	}
	if p.feed != nil {
		p.feed.answered(id, known)
		p.letGo(id, known)
	}
}

// delivered is what was last delivered of an incident, as the checkpoint has it.
func (p *poller) delivered(id int64) (incident.State, error) {
	if _, known := p.known[id]; !known {
		return incident.State{}, nil
	}
	state, err := p.store.Load(context.Background(), id)
	if err != nil {
		p.countCheckpointFailure()
		return incident.State{}, err
	}
	state.API = cmp.Or(state.API, string(APIDefenderXDR)) // the only one there was when states did not say
	return state, nil
}

// saveAccounts stores what was sent, at the end.
func (p *poller) saveAccounts(now time.Time) {
	p.saveAccount(now)
	if p.feed != nil {
		p.saveFeed(now)
	}
}

// saveAccount stores what was sent and learned.
func (p *poller) saveAccount(now time.Time) {
	p.save("quota", p.store.SaveQuota(context.Background(), p.gets.Stored(now)))
}

// save reports what became of a write of the checkpoint, once for each entry
// that is written again and again. Polling goes on: what is not stored is
// emitted once more after a restart.
func (p *poller) save(entry string, err error) {
	switch failing := p.unwritten[entry]; {
	case err != nil:
		p.countCheckpointFailure()
		if !failing {
			p.logger.Error("checkpoint not written: after a restart, changes of now may be emitted again",
				zap.String("of", entry), zap.Error(err))
		}
	case failing:
		p.logger.Info("checkpoint is written again", zap.String("of", entry))
	}
	p.unwritten[entry] = err != nil
}
