import { useRef, type ReactNode } from 'react';
import { CopyButton } from '@/components/copy-button';

const NAMES: Record<string, string> = {
  bash: 'Bash', c: 'C', cpp: 'C++', 'c++': 'C++', csharp: 'C#', cs: 'C#', css: 'CSS', diff: 'Diff', go: 'Go', html: 'HTML',
  ini: 'INI', java: 'Java', javascript: 'JavaScript', js: 'JavaScript', json: 'JSON', jsx: 'JSX', kotlin: 'Kotlin',
  markdown: 'Markdown', md: 'Markdown', php: 'PHP', py: 'Python', python: 'Python', rb: 'Ruby', ruby: 'Ruby', rust: 'Rust',
  rs: 'Rust', sh: 'Shell', shell: 'Shell', sql: 'SQL', swift: 'Swift', toml: 'TOML', ts: 'TypeScript', tsx: 'TSX',
  typescript: 'TypeScript', xml: 'XML', yaml: 'YAML', yml: 'YAML', zsh: 'Zsh',
};

interface CodeBlockProps {
  language: string | null;
  children: ReactNode;
}

export function CodeBlock({ language, children }: CodeBlockProps) {
  const code = useRef<HTMLPreElement>(null);
  const label = language === null ? 'Text' : (NAMES[language.toLowerCase()] ?? language);
  return (
    <div className="overflow-hidden rounded-xl border bg-(--code-surface)">
      <div className="flex items-center justify-between border-b py-1 pr-1 pl-4">
        <span className="text-xs text-muted">{label}</span>
        <CopyButton label="Copy code" getText={() => code.current?.textContent ?? ''} />
      </div>
      {/* It scrolls sideways, so the keyboard must reach it. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre ref={code} tabIndex={0} role="region" aria-label={`${label} code`} className="overflow-x-auto p-4 font-mono text-[0.84rem] leading-[1.6] [overflow-wrap:normal] -outline-offset-2">
        {children}
      </pre>
    </div>
  );
}
