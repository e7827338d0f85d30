import { Toaster as Sonner } from 'sonner';

export function Toaster() {
  return (
    <Sonner
      position="top-right"
      theme="system"
      closeButton
      toastOptions={{
        classNames: {
          toast: '!bg-raised !text-foreground !border-border !rounded-xl !shadow-lg',
          description: '!text-muted',
          closeButton: '!bg-raised !text-foreground !border-border',
        },
      }}
    />
  );
}
