{{/*
The YAML .text with the settings .over laid over it, as text: the order of families and detectors is the order of
stages, and a map of Helm's has none. Lines are grouped by the keys that begin at the margin.
*/}}
{{- define "palimpsest.config" -}}
{{- $over := .over -}}
{{- $blocks := dict -}}
{{- $keys := list -}}
{{- $key := "" -}}
{{- range $line := trimSuffix "\n" .text | splitList "\n" -}}
  {{- if regexMatch "^[^ #-].*:" $line -}}
    {{- $key = regexFind "^[^:]+" $line -}}
    {{- $keys = append $keys $key -}}
  {{- end -}}
  {{- if $key -}}{{- $_ := set $blocks $key (append (default list (get $blocks $key)) $line) -}}
  {{- else -}}{{- printf "%s\n" $line -}}{{- end -}}
{{- end -}}
{{- range $key := $keys -}}
  {{- $lines := get $blocks $key -}}
  {{- $value := get $over $key -}}
  {{- if not (hasKey $over $key) -}}
    {{- join "\n" $lines | printf "%s\n" -}}
  {{- else if and (kindIs "map" $value) (rest $lines) -}}
    {{- $inner := regexReplaceAll "(?m)^  " (rest $lines | join "\n") "" -}}
    {{- printf "%s:\n" $key -}}
    {{- include "palimpsest.config" (dict "text" $inner "over" $value) | trimSuffix "\n" | indent 2 | printf "%s\n" -}}
  {{- else -}}
    {{- dict $key $value | toYaml | printf "%s\n" -}}
  {{- end -}}
{{- end -}}
{{- range $key, $value := $over -}}
  {{- if not (has $key $keys) -}}{{- dict $key $value | toYaml | printf "%s\n" -}}{{- end -}}
{{- end -}}
{{- end -}}
