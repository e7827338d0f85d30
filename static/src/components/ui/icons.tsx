import type { ReactNode } from 'react';

function Icon({ children }: { children: ReactNode }) {
  return (
    <svg
      viewBox="0 0 24 24"
      width="1em"
      height="1em"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.8"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {children}
    </svg>
  );
}

export const PlusIcon = () => (
  <Icon>
    <path d="M12 5v14M5 12h14" />
  </Icon>
);
export const SendIcon = () => (
  <Icon>
    <path d="M12 19V5M6 11l6-6 6 6" />
  </Icon>
);
export const StopIcon = () => (
  <Icon>
    <rect x="5" y="5" width="14" height="14" rx="2" fill="currentColor" stroke="none" />
  </Icon>
);
export const TrashIcon = () => (
  <Icon>
    <path d="M4 7h16M10 11v6M14 11v6M6 7l1 12a1.5 1.5 0 0 0 1.5 1.4h7A1.5 1.5 0 0 0 17 19l1-12M9 7V5a1 1 0 0 1 1-1h4a1 1 0 0 1 1 1v2" />
  </Icon>
);
export const MenuIcon = () => (
  <Icon>
    <path d="M4 7h16M4 12h16M4 17h16" />
  </Icon>
);
export const CloseIcon = () => (
  <Icon>
    <path d="M6 6l12 12M18 6L6 18" />
  </Icon>
);
export const CopyIcon = () => (
  <Icon>
    <rect x="9" y="9" width="11" height="11" rx="2" />
    <path d="M5 15a1 1 0 0 1-1-1V5.5A1.5 1.5 0 0 1 5.5 4H14a1 1 0 0 1 1 1" />
  </Icon>
);
export const CheckIcon = () => (
  <Icon>
    <path d="M5 12.5l4.5 4.5L19 7.5" />
  </Icon>
);
export const ArrowDownIcon = () => (
  <Icon>
    <path d="M12 5v14M6 13l6 6 6-6" />
  </Icon>
);
export const AlertIcon = () => (
  <Icon>
    <circle cx="12" cy="12" r="9" />
    <path d="M12 7.5v5.5M12 16.3v.2" />
  </Icon>
);
export const SignOutIcon = () => (
  <Icon>
    <path d="M14 4H6.5A1.5 1.5 0 0 0 5 5.5v13A1.5 1.5 0 0 0 6.5 20H14M10 12h10M17 8.5l3.5 3.5-3.5 3.5" />
  </Icon>
);
export const LogoIcon = () => (
  <svg viewBox="0 0 32 32" width="1em" height="1em" aria-hidden="true" focusable="false">
    <rect width="32" height="32" rx="9" fill="#0f766e" />
    <path
      d="M9 11.5A2.5 2.5 0 0 1 11.5 9h9a2.5 2.5 0 0 1 2.5 2.5v6a2.5 2.5 0 0 1-2.5 2.5H16l-4.6 3.4a.6.6 0 0 1-.9-.5V20A2.5 2.5 0 0 1 9 17.5z"
      fill="#fff"
    />
  </svg>
);
export const PencilIcon = () => (
  <Icon>
    <path d="M4 20l1-4.5L16 4.5a1.8 1.8 0 0 1 2.6 0l.9.9a1.8 1.8 0 0 1 0 2.6L8.5 19zM14 6.5l3.5 3.5" />
  </Icon>
);
export const RegenerateIcon = () => (
  <Icon>
    <path d="M20 11a8 8 0 0 0-14.3-4L4 9M4 4v5h5M4 13a8 8 0 0 0 14.3 4l1.7-2M20 20v-5h-5" />
  </Icon>
);
export const ChevronLeftIcon = () => (
  <Icon>
    <path d="M14.5 6l-6 6 6 6" />
  </Icon>
);
export const ChevronRightIcon = () => (
  <Icon>
    <path d="M9.5 6l6 6-6 6" />
  </Icon>
);
export const KeyboardIcon = () => (
  <Icon>
    <rect x="3" y="6" width="18" height="12" rx="2" />
    <path d="M7 10h.01M11 10h.01M15 10h.01M8 14h8" />
  </Icon>
);
export const MoreIcon = () => (
  <Icon>
    <path d="M6 12h.01M12 12h.01M18 12h.01" strokeWidth="2.6" />
  </Icon>
);
export const PinIcon = () => (
  <Icon>
    <path d="M9 4h6M10 4v6l-3 3.5V15h10v-1.5L14 10V4M12 15v6" />
  </Icon>
);
export const UnpinIcon = () => (
  <Icon>
    <path d="M9 4h6M10 7v3l-3 3.5V15h8M14 4v6l3 3.5M12 15v6M4 4l16 16" />
  </Icon>
);
export const ArchiveIcon = () => (
  <Icon>
    <path d="M3.5 5h17v4h-17zM5 9v9.5A1.5 1.5 0 0 0 6.5 20h11a1.5 1.5 0 0 0 1.5-1.5V9M10 13h4" />
  </Icon>
);
export const UnarchiveIcon = () => (
  <Icon>
    <path d="M3.5 5h17v4h-17zM5 9v9.5A1.5 1.5 0 0 0 6.5 20h11a1.5 1.5 0 0 0 1.5-1.5V9M12 17.5v-5M9.5 14.7l2.5-2.4 2.5 2.4" />
  </Icon>
);
export const DownloadIcon = () => (
  <Icon>
    <path d="M12 4v11M7 10.5l5 5 5-5M4.5 20h15" />
  </Icon>
);
export const SearchIcon = () => (
  <Icon>
    <circle cx="10.5" cy="10.5" r="6.5" />
    <path d="M15.5 15.5L20.5 20.5" />
  </Icon>
);

const THUMB = 'M7 11l4-7.2c1.4 0 2.4 1 2.2 2.4L12.7 10h5.1a2 2 0 0 1 2 2.4l-1.3 6a2 2 0 0 1-2 1.6H7z';

export const ThumbUpIcon = ({ filled = false }: { filled?: boolean }) => (
  <Icon>
    <path d={THUMB} fill={filled ? 'currentColor' : 'none'} />
    <path d="M3.5 11H7v9H3.5z" fill={filled ? 'currentColor' : 'none'} />
  </Icon>
);
export const ThumbDownIcon = ({ filled = false }: { filled?: boolean }) => (
  <Icon>
    <g transform="rotate(180 12 12)">
      <path d={THUMB} fill={filled ? 'currentColor' : 'none'} />
      <path d="M3.5 11H7v9H3.5z" fill={filled ? 'currentColor' : 'none'} />
    </g>
  </Icon>
);
