/** Catches what goes wrong while drawing, so that the terminal is given back before anything is printed. */
import { Component, type ReactNode } from 'react';

type Props = { readonly onCrash: (error: unknown) => void; readonly children: ReactNode };

export class CrashBoundary extends Component<Props, { crashed: boolean }> {
  override state = { crashed: false };

  static getDerivedStateFromError() {
    return { crashed: true };
  }

  override componentDidCatch(error: unknown) {
    this.props.onCrash(error);
  }

  override render() {
    return this.state.crashed ? null : this.props.children;
  }
}
