// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"
)

// normalize sets defaults and reports everything that is wrong.
func (c *Config) normalize() error {
	if c.Start.IsZero() {
		c.Start = time.Now()
	}
	if c.Weights == (Weights{}) {
		c.Weights = DefaultWeights()
	}
	if c.TokenLifetime == 0 {
		c.TokenLifetime = time.Hour
	}
	return errors.Join(c.checkPopulation(), c.checkLimits(), c.checkList(), c.checkSignIn())
}

func (c *Config) checkPopulation() error {
	var errs []error
	if c.Incidents < 0 {
		errs = append(errs, fmt.Errorf("incidents: %d is negative", c.Incidents))
	}
	if c.FirstID < 1 {
		errs = append(errs, fmt.Errorf("first id: %d is not positive", c.FirstID))
	}
	if !(c.MergedShare >= 0 && c.MergedShare <= 1) {
		errs = append(errs, fmt.Errorf("merged share: %v is not between 0 and 1", c.MergedShare))
	}
	for _, weight := range []float64{c.Statuses.Active, c.Statuses.InProgress, c.Statuses.Resolved} {
		if !(weight >= 0) || math.IsInf(weight, 0) {
			errs = append(errs, fmt.Errorf("statuses: %v is not a number of 0 or more", weight))
		}
	}
	if !(c.LargeShare >= 0 && c.LargeShare <= 1) {
		errs = append(errs, fmt.Errorf("large share: %v is not between 0 and 1", c.LargeShare))
	}
	if c.AlertsPerIncident < 0 || c.AlertsPerIncident > maxAlerts {
		errs = append(errs, fmt.Errorf("alerts per incident: %d is not between 0 and %d", c.AlertsPerIncident, maxAlerts))
	}
	if !(c.LooseAlerts >= 0 && c.LooseAlerts <= 1) {
		errs = append(errs, fmt.Errorf("loose alerts: %v is not between 0 and 1", c.LooseAlerts))
	}
	if c.AlertBytes < 0 {
		errs = append(errs, fmt.Errorf("alert bytes: %d is negative", c.AlertBytes))
	}
	if !(c.ChangesPerHour >= 0 && c.ChangesPerHour <= 1e9) {
		errs = append(errs, fmt.Errorf("changes per hour: %v is not between 0 and 1e9", c.ChangesPerHour))
	}
	if !(c.BackToActive >= 0 && c.BackToActive <= 1) {
		errs = append(errs, fmt.Errorf("back to active: %v is not between 0 and 1", c.BackToActive))
	}
	if c.CloseHourly < 0 {
		errs = append(errs, fmt.Errorf("close hourly: %d is negative", c.CloseHourly))
	}
	if !(c.NewPerHour >= 0 && c.NewPerHour <= 1e6) {
		errs = append(errs, fmt.Errorf("new per hour: %v is not between 0 and 1e6", c.NewPerHour))
	}
	if c.QuietAfter < 0 {
		errs = append(errs, fmt.Errorf("quiet after: %v is negative", c.QuietAfter))
	}
	if c.RequestsKept < 0 || c.StatesKept < 0 {
		errs = append(errs, errors.New("requests kept and states kept must not be negative"))
	}
	return errors.Join(append(errs, c.Weights.check())...)
}

func (c *Config) checkLimits() error {
	var errs []error
	if c.PerMinute < 0 || c.PerHour < 0 {
		errs = append(errs, fmt.Errorf("limits: %d per minute and %d per hour must not be negative", c.PerMinute, c.PerHour))
	}
	if c.ListPerMinute < 0 || c.ListPerHour < 0 {
		errs = append(errs, fmt.Errorf("list limits: %d per minute and %d per hour must not be negative", c.ListPerMinute, c.ListPerHour))
	}
	if c.GraphPerMinute < 0 || c.GraphPerHour < 0 {
		errs = append(errs, fmt.Errorf("graph limits: %d per minute and %d per hour must not be negative", c.GraphPerMinute, c.GraphPerHour))
	}
	if c.ForeignPerMinute < 0 || c.ListForeignPerMinute < 0 || c.GraphForeignPerMinute < 0 {
		errs = append(errs, fmt.Errorf("foreign requests per minute: %d of Get, %d of List and %d of Graph must not be negative", c.ForeignPerMinute, c.ListForeignPerMinute, c.GraphForeignPerMinute))
	}
	if c.LatencyMin < 0 || c.LatencyMin > c.LatencyMax {
		errs = append(errs, fmt.Errorf("latency: %v to %v is not a range of durations from 0 up", c.LatencyMin, c.LatencyMax))
	}
	if err := c.ThrottleForm.check(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (c *Config) checkList() error {
	var errs []error
	if c.AlertsPage < 0 {
		errs = append(errs, fmt.Errorf("alerts page: %d is negative", c.AlertsPage))
	}
	if c.GraphExpandFails < 0 {
		errs = append(errs, fmt.Errorf("graph expand fails: %d alerts is negative", c.GraphExpandFails))
	}
	if err := c.ListStatusFilter.check(); err != nil {
		errs = append(errs, err)
	}
	if c.ListMaxSkip < 0 {
		errs = append(errs, fmt.Errorf("list max skip: %d is negative", c.ListMaxSkip))
	}
	if c.ListDelay < 0 || c.ListLag < 0 {
		errs = append(errs, fmt.Errorf("list delay %v and list lag %v must not be negative", c.ListDelay, c.ListLag))
	}
	if host := c.ListLinkHost; host != "" {
		u, err := url.Parse(host)
		if err != nil || u.Scheme == "" || u.Host == "" || strings.TrimPrefix(host, u.Scheme+"://"+u.Host) != "" {
			errs = append(errs, fmt.Errorf("list link host: %q is not a scheme and a host", host))
		}
	}
	return errors.Join(errs...)
}

func (c *Config) checkSignIn() error {
	var errs []error
	if c.TenantID == "" || c.ClientID == "" || c.ClientSecret == "" {
		errs = append(errs, errors.New("tenant id, client id and client secret must not be empty"))
	}
	if c.TokenLifetime < 0 {
		errs = append(errs, fmt.Errorf("token lifetime: %v is negative", c.TokenLifetime))
	}
	return errors.Join(errs...)
}
