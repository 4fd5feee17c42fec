{{/* Who scrapes, and what follows from it. */}}

{{/* Whether there are the kinds of the Prometheus operator: as the site says, or as the cluster does. */}}
{{- define "palimpsest.operator" -}}
{{- $said := .Values.metrics.operator -}}
{{- if kindIs "invalid" $said -}}{{- $said = .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" -}}{{- end -}}
{{- if $said -}}yes{{- end -}}
{{- end -}}

{{- define "palimpsest.monitored" -}}
{{- if .Values.metrics.podMonitor.enabled -}}{{- include "palimpsest.operator" . -}}{{- end -}}
{{- end -}}

{{/* `15s` or `2m` in seconds. */}}
{{- define "palimpsest.seconds" -}}
{{- $number := regexFind "^[0-9]+" . | int -}}
{{- ternary (mul 60 $number) $number (hasSuffix "m" .) -}}
{{- end -}}

{{/*
In .over, the site's settings of the profile .profile: pods wait for one scrape, or the last figures of each are lost.
.config is what the profile itself says.
*/}}
{{- define "palimpsest.linger" -}}
{{- if include "palimpsest.monitored" .root -}}
  {{- $interval := .root.Values.metrics.podMonitor.interval -}}
  {{- $seconds := include "palimpsest.seconds" $interval | float64 -}}
  {{- $said := default dict .over.metrics -}}
  {{- if hasKey $said "linger_seconds" -}}
    {{- $linger := float64 $said.linger_seconds -}}
    {{- if and (gt $linger 0.0) (lt $linger $seconds) -}}
      {{- fail (printf "config.%s.metrics.linger_seconds: %v is less than metrics.podMonitor.interval %s, so that a pod's last figures are lost: give %v or more, or 0 to wait for nothing" .profile $linger $interval $seconds) -}}
    {{- end -}}
  {{- else if lt (dig "metrics" "linger_seconds" 0.0 .config | float64) $seconds -}}
    {{- $_ := set .over "metrics" (merge (dict "linger_seconds" $seconds) $said) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* As YAML: how a Prometheus without the operator finds a pod's metrics, or nothing. */}}
{{- define "palimpsest.scraped" -}}
{{- if .Values.metrics.scrapeAnnotations -}}
prometheus.io/scrape: "true"
prometheus.io/port: "9090"
prometheus.io/path: /metrics
{{- end -}}
{{- end -}}
