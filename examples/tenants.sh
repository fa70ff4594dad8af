#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes what examples/tenants.yaml shows for as many tenants as there are lines,
# each with a name and a directory (tenant) ID; # starts a comment:
#
#   examples/tenants.sh < tenants.txt > tenants-all.yaml
#   API=graph examples/tenants.sh < tenants.txt > tenants-all.yaml
#
# IDs are read from /etc/otelcol-defender/<name>.txt, again after each change.
exec awk -v api="${API:-defender_xdr}" '
  BEGIN {
    scopes["defender_xdr"] = "https://api.security.microsoft.com/.default"
    scopes["graph"] = "https://graph.microsoft.com/.default"
    if (!(api in scopes)) { print "API is not defender_xdr or graph" > "/dev/stderr"; failed = 1; exit 1 }
  }
  { sub(/#.*/, "") }
  NF == 0 { next }
  NF != 2 || $1 ~ /[^A-Za-z0-9_.-]/ || $2 ~ /[^0-9A-Fa-f-]/ { print "line " NR ": not a name and a tenant id" > "/dev/stderr"; failed = 1; exit 1 }
  { names[++n] = $1; tenants[n] = $2 }
  END {
    if (failed) exit 1
    print "extensions:"
    for (i = 1; i <= n; i++) {
      print "  oauth2client/" names[i] ":"
      print "    token_url: https://login.microsoftonline.com/" tenants[i] "/oauth2/v2.0/token"
      print "    client_id: ${env:AZURE_CLIENT_ID}"
      print "    client_secret: ${env:AZURE_CLIENT_SECRET}"
      print "    scopes: [" scopes[api] "]"
      print "    timeout: 10s"
      print "    expiry_buffer: 5m"
      signins = signins ", oauth2client/" names[i]
      receivers = receivers (i > 1 ? ", " : "") "defender_incidents/" names[i]
    }
    print "  file_storage: {directory: /var/lib/otelcol-defender, create_directory: true, fsync: true}"
    print "receivers:"
    for (i = 1; i <= n; i++) {
      print "  defender_incidents/" names[i] ":"
      print "    api: " api
      print "    incident_ids_file: /etc/otelcol-defender/" names[i] ".txt"
      print "    http: {auth: {authenticator: oauth2client/" names[i] "}}"
      print "    storage: file_storage"
    }
    print "exporters:"
    print "  otlp_http:"
    print "    endpoint: ${env:OTLP_ENDPOINT}"
    print "    sending_queue: {storage: file_storage, sizer: bytes, queue_size: 500000000, batch: {sizer: bytes, min_size: 0, max_size: 2000000}}"
    print "    retry_on_failure: {max_elapsed_time: 0}"
    print "service:"
    print "  extensions: [file_storage" signins "]"
    print "  pipelines: {logs: {receivers: [" receivers "], exporters: [otlp_http]}}"
  }'
