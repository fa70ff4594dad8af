# Reads the files that file.yaml writes:
#
#   cat records*.jsonl | jq -cn -L examples 'include "records"; latest_incidents'
#
# docs/backends/file.md has more. A record is an object with its attributes, without
# "microsoft.defender." in their names, and event, severity_text, time, observed
# and body. Times are in nanoseconds, as text.

def value:
  if .arrayValue then [.arrayValue.values[]? | value]
  elif .intValue then .intValue | tonumber
  else to_entries[0].value end;

def records:
  inputs | .resourceLogs[].scopeLogs[].logRecords[]
  | (.attributes | map({key: (.key | ltrimstr("microsoft.defender.")), value: (.value | value)}) | from_entries)
    + {event: .eventName, severity_text: .severityText, time: .timeUnixNano, observed: .observedTimeUnixNano, body};

def incidents: records | select(.event == "microsoft.defender.incident");
def alerts: records | select(.event == "microsoft.defender.alert");

# The record of each key that was observed last.
def latest(records; key):
  reduce records as $r ({}; ($r | key | tostring) as $k
    | if .[$k] == null or .[$k].observed <= $r.observed then .[$k] = $r else . end)
  | .[];

def latest_incidents: latest(incidents; .["incident.id"]);
def latest_alerts: latest(alerts; [.["incident.id"], .["alert.id"]]) | select(.["alert.change"] != "removed");

# Conditions. The two APIs write the same value with different case.
def severity: .severity_text // "" | ascii_downcase;
def severe: severity == "high";
def open:
  (.["incident.change"] != "not_found") and (.["incident.change"] != "merged")
  and (.["incident.status"] // "" | ascii_downcase) != "resolved";
def age(created): (.observed | tonumber / 1e9) - (created // "1970-01-01T00:00:00Z" | sub("\\.[0-9]+"; "") | fromdate);

# What was observed in the last 6 minutes.
def lately: select((.observed | tonumber / 1e9) > now - 360);

# Created within a day before it was first seen.
def new_severe: select(.["incident.change"] == "first_seen" and severe and open and age(.["incident.created_time"]) < 86400);
def resolved: select(.["incident.change"] == "resolved");
def reopened: select(.["incident.change"] == "reopened");
# Taken from its owner.
def reassigned: select(.["incident.previous_assigned_to"]);
def severity_raised:
  {informational: 1, low: 2, medium: 3, high: 4} as $rank
  | select(.["incident.previous_severity"] and $rank[severity] > ($rank[.["incident.previous_severity"] | ascii_downcase] // 2)); # from an unspecified one to Medium or High
# hosts and users are lists of names in lower case.
def on(hosts; users):
  def one_of(list): any(.[]?; ascii_downcase | IN(list[]));
  select(.["alert.change"] == "first_seen" and ((.["alert.hosts"] | one_of(hosts)) or (.["alert.users"] | one_of(users)))
    and age(.["alert.created_time"]) < 86400);
