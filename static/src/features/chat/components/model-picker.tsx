interface ModelPickerProps {
  models: string[];
  value: string;
  onChange: (model: string) => void;
}

/** Chooses the model that writes the next answer; draws nothing if there is no choice. */
export function ModelPicker({ models, value, onChange }: ModelPickerProps) {
  if (models.length < 2) return null;
  return (
    <select
      aria-label="Model"
      title={value}
      value={value}
      onChange={(event) => onChange(event.target.value)}
      className="h-9 max-w-[40vw] min-w-0 truncate rounded-lg border border-strong-border bg-raised px-2 text-sm sm:max-w-64"
    >
      {models.map((model) => (
        <option key={model} value={model}>
          {model}
        </option>
      ))}
    </select>
  );
}
